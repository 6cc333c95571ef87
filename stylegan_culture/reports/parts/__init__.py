"""Parts of pages: document, text, numbers, tables, charts, plots; every report is made of these."""
