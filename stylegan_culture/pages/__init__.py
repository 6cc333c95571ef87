"""Parts of pages that stand alone: style sheet, document, numbers, tables, pictures, charts.

Every command that leaves a page makes it of these, so that all look alike and nothing is fetched.
"""
