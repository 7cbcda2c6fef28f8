"""Generated code of the playthrough contract; the source is the `.proto` file beside it."""
