package report

import "io"

// TextOptions say how Text lays out its tables.
type TextOptions struct {
	Width int  // columns; 0 for 100
	Color bool // the output is a terminal that understands ANSI sequences
}

// Text writes the results of a suite for people.
func Text(w io.Writer, s *Suite, results []CellResult, o TextOptions) error { return nil }
