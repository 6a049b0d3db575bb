package report

import "sluice/internal/workload"

// Summarizer turns the records of one run into its figures. It is for one goroutine at a time.
type Summarizer struct{ _ int }

// NewSummarizer returns one for a run. Goodput is counted against slo.
func NewSummarizer(slo workload.SLO) *Summarizer { return &Summarizer{} }

// Add takes one record, of any phase, in any order. It does not keep r.
func (s *Summarizer) Add(r *Record) {}

// Finish sets run's Summary, Bins and Hists from the records and from run's From, To, Series and Gaps, which must be set.
func (s *Summarizer) Finish(run *Run) error { return nil }
