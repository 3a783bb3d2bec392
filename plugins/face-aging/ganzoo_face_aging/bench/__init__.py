"""`ganzoo bench aging`: grades aging models of any origin on the same faces."""
