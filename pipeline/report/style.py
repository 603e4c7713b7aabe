"""The look of the report: light, plain, one column, tables that scroll by themselves on a phone."""

from __future__ import annotations

CSS = """
:root { color-scheme: light; --ink: #22303c; --soft: #66727f; --line: #e3e8ed; --blue: #1f6fb2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
.under, .note, small { color: var(--soft); }
.under { margin: 0 0 1.2rem; }
.note { font-size: .88rem; }
small { font-size: .8em; font-weight: normal; }
.cards { display: flex; flex-wrap: wrap; gap: .6rem; }
.card { flex: 1 1 9rem; padding: .7rem .9rem; border: 1px solid var(--line); border-radius: .5rem; }
.card span { display: block; font-size: .82rem; color: var(--soft); }
.card b { font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.card:first-child { border-color: var(--blue); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .9rem .28rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; }
tr.ours td { font-weight: 650; }
tr.aside td { color: var(--soft); }
mark { background: #fbe6cf; color: inherit; padding: 0 .25em; border-radius: .2em; }
img { display: block; width: 100%; max-width: 44rem; height: auto; margin: .6rem 0; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--blue); }
code { font-size: .85em; overflow-wrap: anywhere; }
"""
