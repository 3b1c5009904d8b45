"""Modules that compute what the package computes, in operators that every target runs."""
