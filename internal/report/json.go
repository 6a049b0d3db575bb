package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// aggregateFile is the content of aggregate.json.
type aggregateFile struct {
	Format     int          `json:"format"`
	Confidence float64      `json:"confidence"` // of all intervals
	Suite      suiteHead    `json:"suite"`
	Results    []CellResult `json:"results"`
}

// suiteHead is a Suite without its runs and without the text of its workload.
type suiteHead struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Started    time.Time  `json:"started"`
	Ended      time.Time  `json:"ended"`
	Command    string     `json:"command"`
	Workload   Workload   `json:"workload"`
	Conditions Conditions `json:"conditions"`
	Runs       int        `json:"runs"`
	Found      []Found    `json:"found,omitempty"`
	Stopped    string     `json:"stopped,omitempty"`
}

// JSON writes the results as aggregate.json has them.
func JSON(w io.Writer, s *Suite, results []CellResult) error {
	head := suiteHead{
		ID: s.ID, Name: s.Name, Started: s.Started, Ended: s.Ended, Command: s.Command,
		Workload: s.Workload, Conditions: s.Conditions, Runs: len(s.Runs), Found: s.Found, Stopped: s.Stopped,
	}
	head.Workload.Source = "" // suite.json has it
	if results == nil {
		results = []CellResult{}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	if err := enc.Encode(aggregateFile{Format: Format, Confidence: Confidence, Suite: head, Results: results}); err != nil {
		return fmt.Errorf("write results as JSON: %w", err)
	}
	return nil
}
