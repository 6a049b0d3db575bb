package workload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a workload file.
type Problem struct {
	Line, Column int    // from 1
	Key          string // key path; "" for the file as a whole
	Message      string
}

// Error is everything that is wrong with a workload file.
type Error struct {
	File     string
	Problems []Problem // in the order of the file

	lines []string
}

// Error returns one line for each problem: file:line:column: key.path: message.
func (e *Error) Error() string {
	out := make([]string, len(e.Problems))
	for i := range e.Problems {
		out[i] = e.text(i)
	}
	return strings.Join(out, "\n")
}

func (e *Error) text(i int) string {
	p := e.Problems[i]
	if p.Key == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, p.Line, p.Column, p.Key, p.Message)
}

// Excerpt returns the problems for a terminal: each with its line of the file and a caret below its column.
func (e *Error) Excerpt() string {
	const widest = 200 // characters of a line that are shown
	var b strings.Builder
	for i, p := range e.Problems {
		b.WriteString(e.text(i) + "\n")
		if p.Line > len(e.lines) {
			continue
		}
		line := []rune(strings.TrimRight(e.lines[p.Line-1], "\r"))
		if p.Column > widest {
			continue
		}
		line = line[:min(len(line), widest)]
		pad := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, string(line[:min(p.Column-1, len(line))]))
		fmt.Fprintf(&b, "%5d | %s\n      | %s^\n", p.Line, string(line), pad)
	}
	return b.String()
}

// maxProblems bounds what is said about a file that is no workload at all.
const maxProblems = 100

// problems gathers what is wrong.
type problems []Problem

func (p *problems) add(at place, key, format string, args ...any) {
	if len(*p) < maxProblems {
		*p = append(*p, Problem{at.line, at.column, key, fmt.Sprintf(format, args...)})
	}
}

// err returns the problems as an error, nil if there are none.
func (p problems) err(file string, src []byte) error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{File: file, Problems: p, lines: strings.Split(string(src), "\n")}
}
