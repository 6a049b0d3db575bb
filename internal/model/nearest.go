package model

import (
	"cmp"
	"slices"
	"strings"
)

// longestName is how long names may be to be compared: the work grows with the product of the lengths.
const longestName = 128

// Nearest returns at most n of the candidates that name may be a slip of, nearest first: few edits away, or the same
// but for a part before a slash or after the name. Case does not count.
func Nearest(name string, candidates []string, n int) []string {
	if len(name) > longestName || name == "" {
		return nil
	}
	type near struct {
		name string
		d    int
	}
	lower := strings.ToLower(name)
	most := max(len(lower)/3, 1)
	var all []near
	for _, c := range candidates {
		if len(c) > longestName {
			continue
		}
		l := strings.ToLower(c)
		d := 2 * distance(lower, l) // doubled, so that a match in full goes before one of a part
		if bare := l[strings.LastIndexByte(l, '/')+1:]; len(bare) < len(l) {
			d = min(d, 2*distance(lower, bare)+1)
		}
		if d/2 > most && len(lower) >= 3 && strings.HasPrefix(l, lower) {
			d = 2 * most
		}
		if d/2 <= most {
			all = append(all, near{c, d})
		}
	}
	slices.SortFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.name, b.name)) })
	all = slices.CompactFunc(all, func(a, b near) bool { return a.name == b.name })
	var names []string
	for _, x := range all[:min(n, len(all))] {
		names = append(names, x.name)
	}
	return names
}

// distance counts the edits between two words (Damerau-Levenshtein, restricted): insert, delete, replace, swap of two
// neighbours.
func distance(a, b string) int {
	var rows [3][longestName + 1]int
	older, old, now := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		old[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(old[j]+cost, old[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], older[j-1]+1)
			}
		}
		older, old, now = old, now, older
	}
	return old[len(b)]
}
