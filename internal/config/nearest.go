package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// suggest ends a message about an unknown name: with the nearest of the valid ones if one is near, else with all of them
// if they are few.
func suggest(name string, valid []string) string {
	if best := nearest(name, valid); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(valid) == 0 || len(valid) > 16 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(valid))
	return "; known here: " + strings.Join(sorted, ", ")
}

// nearest returns the valid name that is fewest edits away, "" if none is near enough to be meant.
func nearest(name string, valid []string) string {
	const longest = 64 // a longer name is no slip of a key, and the distance takes time by its square
	if len(name) > longest {
		return ""
	}
	name = strings.ToLower(name)
	best, least := "", max(len(name)/3, 1)+1
	for _, v := range valid {
		if len(v) > longest {
			continue
		}
		d := distance(name, strings.ToLower(v))
		if plain(name) == plain(v) {
			d = 0
		}
		if d < least || d == least && best != "" && v < best {
			best, least = v, d
		}
	}
	return best
}

// plain leaves out what people vary in names.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_-.", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// distance counts the edits between two words: insert, delete, replace, and swap of two neighbours.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(prev[j]+cost, prev[j+1]+1, cur[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cur[j+1] = min(cur[j+1], prev2[j-1]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
