"""What each site's update does for the model: how much worse the average of a round is without it."""

from fl_monitor.alt_texts import joined
from fl_monitor.blocks import Chart
from fl_monitor.figures.progress import metric_line
from fl_monitor.figures.style import SiteRanks, figure_by_round, in_order
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.wording import signed_text
from fl_store.metrics import Metric


def contribution_chart(rows: RunRows, ranks: SiteRanks) -> Chart:
    """Draw the change of the pooled validation loss without each site, in the rounds that measured it."""
    title = _("Loss without the site")
    known = [
        row
        for row in rows.metrics
        if row.metric is Metric.LOSS_CHANGE_WITHOUT and row.site in ranks and row.value is not None
    ]
    if not known:
        setting = "leave_one_out_every"
        empty = _(
            "Measured if the run's file asks for it ({setting} in [federation]) and every site shares its "
            "model."
        ).format(setting=setting)
        return Chart("contribution", title, empty=empty)
    figure = figure_by_round(rows)
    for site in in_order({row.site for row in known}, ranks):
        figure.add_trace(metric_line(rows, ranks, site, Metric.LOSS_CHANGE_WITHOUT))
    figure.update_yaxes(title=_("Change of the pooled validation loss (nats)"))
    last = known[-1].round_no
    parts = [
        _("{site} {value}").format(site=row.site, value=signed_text(row.value))
        for row in known
        if row.round_no == last and row.value is not None
    ]
    return Chart(
        "contribution",
        title,
        note=_("Above 0: the model is worse without the site's update. Below 0: it is better."),
        alt=_("{title}, round {round_no}: {parts}.").format(title=title, round_no=last, parts=joined(parts)),
        figure=figure,
    )
