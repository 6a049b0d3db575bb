//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// bar is one thing that must hold and what came of it.
type bar struct {
	What   string
	Want   string
	Got    string
	Status status
	Note   string `json:",omitempty"` // how far the figure is to be believed, or what to do
}

// status is the verdict on a bar.
type status string

const (
	met      status = "met"
	missed   status = "missed"
	unknown  status = "not measured" // counts as missed: what was not shown does not hold
	absent   status = "absent"       // a tool that is not here; it counts only if its section has no other
	informal status = "-"            // for information
)

// held is met or missed.
func held(ok bool) status {
	if ok {
		return met
	}
	return missed
}

// findings are what one section found.
type findings struct {
	Name  string
	About string
	Took  string
	Noise string // what else ran on the machine meanwhile
	Bars  []bar
	Error string `json:",omitempty"` // why the section ended before its time
}

// add appends a bar.
func (f *findings) add(what, want string, s status, got string, args ...any) *bar {
	f.Bars = append(f.Bars, bar{What: what, Want: want, Got: fmt.Sprintf(got, args...), Status: s})
	return &f.Bars[len(f.Bars)-1]
}

// count returns how many bars of the section hold, and how many do not. A section without a verdict has missed one.
func (f *findings) count() (good, bad int) {
	for _, b := range f.Bars {
		switch b.Status {
		case missed, unknown:
			bad++
		case met:
			good++
		}
	}
	if f.Error != "" || good+bad == 0 {
		bad++
	}
	return good, bad
}

// print writes the section's table.
func (f *findings) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s: %s (%s; %s)\n", f.Name, f.About, f.Took, f.Noise)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, b := range f.Bars {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", b.Status, b.What, b.Want, b.Got)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, b := range f.Bars {
		if b.Note != "" {
			fmt.Fprintf(w, "    %s: %s\n", b.What, b.Note)
		}
	}
	if f.Error != "" {
		fmt.Fprintf(w, "  ended early: %s\n", strings.TrimSpace(f.Error))
	}
	return nil
}
