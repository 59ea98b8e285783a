"""The shapes the oracle passes around."""

Row = dict[str, object]
Tables = dict[str, list[Row]]
