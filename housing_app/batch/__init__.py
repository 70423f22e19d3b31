"""Bulk scoring: files of any size in, files of prices out."""
