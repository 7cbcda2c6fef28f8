"""From a data set's files to tables, strictly or leniently, every fault named by file, line and column."""
