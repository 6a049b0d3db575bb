package report

import "iter"

// Aggregate returns the figures of a suite: one result for each cell and step, sorted by target, region, gateway and step.
// records yields the records of a cell, from which pooled distributions come; with nil they come from the runs' histograms,
// which is 0.1 % less exact. Records of runs that are not in the suite are passed over.
func Aggregate(s *Suite, records func(Cell) iter.Seq2[*Record, error]) ([]CellResult, error) {
	return nil, nil
}

// Headline returns one result of each cell: at the step with the highest goodput among those that are not invalid.
func Headline(results []CellResult) []*CellResult { return nil }
