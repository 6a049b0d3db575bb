//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"

	"sluice/bench/caller"
	"sluice/internal/llm"
)

// scenarios lists all, in the order of the scorecard.
func scenarios() []scenario {
	return slices.Concat(direct(), streams(), outages(), departures())
}

// crossed are the scenarios that are also run with targets of another dialect than the front's: both, or one of them, where there are two.
// crossing says of which.
func crossed() []string {
	return []string{"healthy", "503", "cut-rst", "cut-eof", "cut-first", "stall", "error-after", "error-before", "malformed", "no-finish", "tool-cut", "tool-no-finish", "json-cut", "filter-400"}
}

func crossing(front llm.Dialect) llm.Dialect {
	if front == llm.OpenAI {
		return llm.Anthropic
	}
	return llm.OpenAI
}

// matrix returns the cells whose names are wanted.
func matrix(all []scenario, wanted func(name string) bool) []*cell {
	cross := map[string]bool{}
	for _, name := range crossed() {
		cross[name] = true
	}
	var cells []*cell
	add := func(s *scenario, i int, f caller.Front, stream bool, target, other llm.Dialect) {
		c := &cell{scenario: s, front: f, stream: stream, target: target, other: other, glob: fmt.Sprintf("s%d-*", i)}
		if (s.only == "" || s.only == c.form()) && s.fits(f.Dialect) && wanted(c.fullName()) {
			c.id = fmt.Sprintf("s%d-%d", i, len(cells))
			cells = append(cells, c)
		}
	}
	for i := range all {
		for _, f := range caller.Fronts() {
			for _, stream := range []bool{true, false} {
				own, foreign := f.Dialect, crossing(f.Dialect)
				add(&all[i], i, f, stream, own, own)
				if cross[all[i].name] {
					add(&all[i], i, f, stream, foreign, foreign)
				}
				if cross[all[i].name] && !all[i].one {
					add(&all[i], i, f, stream, own, foreign)
					add(&all[i], i, f, stream, foreign, own)
				}
			}
		}
	}
	return cells
}

// listScenarios writes the table of docs/CONFORMANCE.md.
func listScenarios(w io.Writer) error {
	text := "| scenario | from | what happens, and what is right |\n| --- | --- | --- |\n"
	for _, s := range scenarios() {
		text += fmt.Sprintf("| `%s` | %s | %s |\n", s.name, s.row, s.doc)
	}
	_, err := io.WriteString(w, text)
	return err
}
