"""Pictures of how cost grows, for the benchmark scripts: panels with logarithmic axes, as SVG.  Standard library only.

What grows in proportion is a line of slope one, drawn dashed from the smallest input on.
"""
import math

WIDTH, HEIGHT, TOP, BOTTOM = 760, 320, 46, 52
INK, GRID, LINE, EVEN, PEER = "#333333", "#dddddd", "#0b6e99", "#888888", "#b3541e"


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def panel(x0, width, title, unit, mine, peers=()):
    """One panel: our points as (size, value), and those of peers as (size, value, name)."""
    mine = sorted(mine)
    (ax, bx), (ay, by) = decades([x for x, _ in mine]), decades([y for _, y in mine] + [p[1] for p in peers])
    bottom = HEIGHT - BOTTOM

    def px(v):
        return x0 + (math.log10(v) - ax) / (bx - ax) * width

    def py(v):
        return bottom - (math.log10(v) - ay) / (by - ay) * (bottom - TOP)

    out = [f'<text x="{x0}" y="{TOP - 14}" font-weight="bold">{title}</text>']
    for e in range(ax, bx + 1):
        out.append(f'<path d="M{px(10.0**e):.1f} {TOP}V{bottom}" stroke="{GRID}"/>')
        out.append(f'<text x="{px(10.0**e):.1f}" y="{bottom + 18}" text-anchor="middle">{10**e:,}</text>')
    for e in range(ay, by + 1):
        label = f"{10**e:,}" if e >= 0 else f"{10.0**e:g}"
        out.append(f'<path d="M{x0} {py(10.0**e):.1f}H{x0 + width}" stroke="{GRID}"/>')
        out.append(f'<text x="{x0 - 6}" y="{py(10.0**e) + 4:.1f}" text-anchor="end">{label}</text>')
    (x1, y1), end = mine[0], min(mine[-1][0], mine[0][0] * 10.0**by / mine[0][1])
    out.append(f'<path d="M{px(x1):.1f} {py(y1):.1f}L{px(end):.1f} {py(y1 * end / x1):.1f}" stroke="{EVEN}" stroke-dasharray="5 4"/>')
    out.append('<polyline fill="none" stroke-width="2" stroke="%s" points="%s"/>' % (LINE, " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in mine)))
    out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.5" fill="{LINE}"/>' for x, y in mine]
    for x, y, name in sorted(peers):
        out.append(f'<rect x="{px(x) - 3.5:.1f}" y="{py(y) - 3.5:.1f}" width="7" height="7" fill="{PEER}"/>')
        out.append(f'<text x="{px(x) + 8:.1f}" y="{py(y) + 4:.1f}" fill="{PEER}">{name}</text>')
    out.append(f'<text x="{x0 + width / 2}" y="{bottom + 38}" text-anchor="middle">{unit}</text>')
    return out


def picture(path, title, left, right):
    """Writes two panels beside each other; each is (title, unit, ours, peers)."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *panel(60, 290, *left),
        *panel(450, 290, *right),
        f'<text x="{WIDTH - 20}" y="20" text-anchor="end" fill="{EVEN}">dashed: in proportion to the smallest input</text>',
        "</svg>",
    ]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
