"""What is in a data set: statistics, figures and a report of one page."""
