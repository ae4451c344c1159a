"""The leader board: accuracy on official and stated splits, beside Surprise and myFM."""
