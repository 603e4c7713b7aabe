"""From a Kaggle competition's files to a submission that its user can trust."""
