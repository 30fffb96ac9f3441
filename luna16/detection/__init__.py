"""Find the nodules of a chest CT: lungs, candidates, their probabilities, and how large each is."""
