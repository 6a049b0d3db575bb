package live

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"sluice/internal/bench"
)

const none = "–" // where there is no figure

// place says what is measured: target, region, and which of several repeats and steps.
func place(p *bench.Progress) string {
	parts := []string{printable(p.Cell.Target)}
	if p.Cell.Region != "" {
		parts = append(parts, printable(p.Cell.Region))
	}
	if p.Cell.Via != "" {
		parts = append(parts, "via "+printable(p.Cell.Via))
	}
	if p.Repeats > 1 {
		parts = append(parts, fmt.Sprintf("repeat %d/%d", p.Repeat+1, p.Repeats))
	}
	if p.Steps > 1 {
		parts = append(parts, fmt.Sprintf("step %d/%d", p.Step+1, p.Steps))
	}
	return strings.Join(parts, " · ")
}

// rate writes a figure a second with about three digits.
func rate(v float64) string {
	switch {
	case math.IsNaN(v) || v < 0:
		return none
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return count(int64(math.Round(v)))
	}
}

// count writes a whole number with commas between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	from := len(s) - 3
	for ; from > 0 && s[from-1] != '-'; from -= 3 {
		s = s[:from] + "," + s[from:]
	}
	return s
}

// millis writes a latency, given in milliseconds, with about three digits. There is none that takes no time.
func millis(ms float64) string {
	switch {
	case math.IsNaN(ms) || ms <= 0:
		return none
	case ms < 9.995:
		return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case ms < 9995:
		return strconv.FormatFloat(ms/1000, 'f', 2, 64) + " s"
	default:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
}

// clock writes a time as minutes and seconds, with hours where there are some.
func clock(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// dollars writes an amount so that small ones do not become zero.
func dollars(v float64) string {
	digits := 2
	if v > 0 && v < 1 {
		digits = 4
	}
	return "$" + strconv.FormatFloat(v, 'f', digits, 64)
}

func spend(p *bench.Progress) string {
	if p.Cap > 0 {
		return dollars(p.Spent) + " of " + dollars(p.Cap)
	}
	return dollars(p.Spent) + ", no limit"
}

func percent(share float64) string {
	if math.IsNaN(share) || share < 0 {
		return none
	}
	return strconv.FormatFloat(100*share, 'f', 0, 64) + " %"
}

// errorKinds lists kinds of errors, the most frequent first.
func errorKinds(errors map[string]int64) []string {
	kinds := slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(errors[b], errors[a]), cmp.Compare(a, b))
	})
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return errors[k] == 0 })
	for i, k := range kinds {
		kinds[i] = printable(k) + " " + count(errors[k])
	}
	return kinds
}

// cut shortens plain text to a width in cells; a wide character that would not fit whole is left out.
func cut(s string, width int) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	end := 0
	for i := range s {
		if lipgloss.Width(s[:i]) > width-1 {
			break
		}
		end = i
	}
	return s[:end] + "…"
}

// pad fills styled or plain text with spaces up to a width in cells.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-lipgloss.Width(s), 0))
}
