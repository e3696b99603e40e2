"""The public site: the players' page, new tables, histories."""
