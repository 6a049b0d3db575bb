package live

import (
	"math"
	"strings"

	"charm.land/lipgloss/v2"
)

// Colours are the terminal's own sixteen, so that they go with whatever theme it has.
func styled(s, color string) string {
	if s == "" {
		return ""
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(color)).Render(s)
}

func good(s string) string       { return styled(s, "2") }
func warn(s string) string       { return styled(s, "3") }
func bad(s string) string        { return styled(s, "1") }
func accent(s string) string     { return styled(s, "6") }
func second(s string) string     { return styled(s, "5") }
func phaseStyle(s string) string { return styled(s, "4") }

func faint(s string) string {
	if s == "" {
		return ""
	}
	return lipgloss.NewStyle().Faint(true).Render(s)
}

func bold(s string) string {
	if s == "" {
		return ""
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

// label is the width of the names before figures.
const label = 11

func row(name, figures string) string { return faint(pad(name, label)) + figures }

func right(s string, width int) string {
	return strings.Repeat(" ", max(width-lipgloss.Width(s), 0)) + s
}

// spread puts one text at the left and one at the right end of a line.
func spread(left, at string, width int) string {
	return left + strings.Repeat(" ", max(width-lipgloss.Width(left)-lipgloss.Width(at), 1)) + at
}

// sep is what stands between two texts if there are two.
func sep(a, b string) string {
	if a == "" || b == "" {
		return ""
	}
	return " · "
}

// box draws a frame around lines that are at most width-4 wide.
func box(title string, lines []string, width int) []string {
	inner := width - 4
	out := []string{faint("╭─ ") + bold(title) + faint(" "+strings.Repeat("─", max(width-5-lipgloss.Width(title), 0))+"╮")}
	for _, l := range lines {
		out = append(out, faint("│ ")+pad(l, inner)+faint(" │"))
	}
	return append(out, faint("╰"+strings.Repeat("─", max(width-2, 0))+"╯"))
}

// beside puts two boxes of one height beside each other.
func beside(a, b []string) []string {
	out := make([]string, len(a))
	for i := range a {
		out[i] = a[i] + b[i]
	}
	return out
}

// bar draws a share of a width, in halves of a cell, with its filled part in a colour.
func bar(share float64, width int, paint func(string) string) string {
	if width <= 0 {
		return ""
	}
	if math.IsNaN(share) {
		share = 0
	}
	halves := int(math.Round(min(max(share, 0), 1) * float64(2*width)))
	filled, rest := strings.Repeat("━", halves/2), width-halves/2
	if halves%2 == 1 {
		filled, rest = filled+"╸", rest-1
	}
	return paint(filled) + faint(strings.Repeat("─", rest))
}

// gauge draws a share that is better small: the fuller, the worse its colour.
func gauge(share float64, width int) string {
	text := right(percent(share), 6)
	paint := good
	switch {
	case share >= 0.95:
		paint = bad
	case share >= 0.8:
		paint = warn
	}
	return bar(share, max(min(width-len(text), 24), 0), paint) + text
}

// spark draws the last values as bars of one cell, against the largest or a scale that is larger.
func spark(values []float64, scale float64, width int) string {
	if len(values) > width {
		values = values[len(values)-max(width, 0):]
	}
	for _, v := range values {
		scale = max(scale, v)
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || v <= 0 || scale <= 0:
			out[i] = ' '
		default:
			out[i] = levels[int(math.Round(v/scale*float64(len(levels)-1)))]
		}
	}
	return string(out)
}
