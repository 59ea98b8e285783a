"""Styles of the report. Colours of lines and bars differ for colour-blind readers too, and again in dark mode."""

STYLES = """\
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5a6875; --paper: #ffffff; --card: #f4f6f8; --rule: #d9dfe5;
  --alarm: #b3261e;
  --c0: #0b3c5d; --c1: #c8541a; --c2: #0f8a6b; --c3: #8a5fb5; --c4: #b8860b; --c5: #3b8fc4; --c6: #a8325e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #a3b0bc; --paper: #12181f; --card: #1c252e;
  --rule: #33404c; --alarm: #ff8a80;
  --c0: #9cc9ea; --c1: #f2935c; --c2: #55cfa9; --c3: #c4a3ea; --c4: #e3bd55; --c5: #63b4ea; --c6: #f08bb0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 1.7rem; margin: 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 0.2rem; border-top: 1px solid var(--rule); padding-top: 1.2rem; }
p { margin: 0.2rem 0 0.8rem; color: var(--soft); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 8px 20px; margin: 0 0 20px; }
.facts dt { color: var(--soft); font-size: 0.85rem; }
.facts dd { margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; }
.tile { background: var(--card); border-radius: 8px; padding: 14px 16px; display: flex; flex-direction: column; }
.tile b { font-size: 1.7rem; line-height: 1.2; }
.tile small { color: var(--soft); }
.alarm { border-left: 4px solid var(--alarm); padding-left: 16px; }
.alarm h2 { color: var(--alarm); border: 0; padding: 0; }
svg { width: 100%; height: auto; margin: 4px 0; }
svg text { font-size: 12px; font-family: inherit; fill: var(--ink); }
svg .axis { fill: var(--soft); }
svg .grid { stroke: var(--rule); }
svg path { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg path.main { stroke-width: 3.4; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); } .s6 { stroke: var(--c6); }
.f0 { fill: var(--c0); } .f1 { fill: var(--c1); } .f2 { fill: var(--c2); } .f3 { fill: var(--c3); }
.f4 { fill: var(--c4); } .f5 { fill: var(--c5); } .f6 { fill: var(--c6); }
svg .good { fill: var(--c2); } svg .bad { fill: var(--c6); }
svg .late { fill: var(--c4); } svg .open { fill: var(--soft); }
svg .t0 { fill: var(--c0); font-weight: 600; } svg .t1 { fill: var(--c1); } svg .t2 { fill: var(--c2); }
svg .t3 { fill: var(--c3); } svg .t4 { fill: var(--c4); } svg .t5 { fill: var(--c5); } svg .t6 { fill: var(--c6); }
details { margin: 0 0 1.2rem; }
summary { cursor: pointer; color: var(--soft); font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.88rem; margin: 6px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 12px 3px 0; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child { text-align: left; font-weight: 500; }
@media print { details { display: none; } }
"""
