"""Train, evaluate and import models. pandas and scikit-learn live here only."""
