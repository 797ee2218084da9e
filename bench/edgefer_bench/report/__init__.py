"""Records as something to look at: one page without a network, Markdown, or a table for a spreadsheet."""
