package report

import (
	"maps"
	"slices"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// shades are backgrounds of the heat map from low to high, as SGR parameters, each with a letter colour that is read on it.
func shades() []string {
	return []string{"48;5;236;38;5;255", "48;5;23;38;5;255", "48;5;29;38;5;255", "48;5;35;38;5;232", "48;5;41;38;5;232", "48;5;47;38;5;232"}
}

// heatmap writes TPS by model and region, if there is more than one cell. A cell shows its best load level.
func (t *textWriter) heatmap() {
	cells := Headline(t.results)
	if len(cells) < 2 {
		return
	}
	rows, regions, at := heatRows(cells)
	lo, hi := heatRange(cells)
	note := "transactions a second"
	if t.sweep {
		note += ", at the load level with the best goodput"
	}
	t.title("TPS by model and region", note)
	columns := t.heatColumns(rows, regions)
	for block := range slices.Chunk(regions, columns) {
		if block[0] != regions[0] {
			t.printf("\n")
		}
		tab := &textTable{left: 1, header: append([]string{"model"}, block...)}
		for _, row := range rows {
			line := []textCell{{text: row}}
			for _, region := range block {
				r := at[[2]string{row, region}]
				if r == nil || !r.TPS.Has() {
					line = append(line, textCell{text: missingText})
					continue
				}
				text := statText(r.TPS)
				if r.Verdict.State == StateInvalid {
					text += "!"
				}
				line = append(line, textCell{" " + text + " ", shade(r.TPS.Mean, lo, hi)})
			}
			tab.add(line...)
		}
		t.table(tab)
	}
	for _, r := range cells {
		if r.Verdict.State == StateInvalid {
			t.note("", "! the client, not the target, set this figure: see the verdict")
			return
		}
	}
}

// heatRows names the rows and columns of the map, and what is in each field.
func heatRows(cells []*CellResult) (rows, regions []string, at map[[2]string]*CellResult) {
	name := MatrixNames(cells)
	at = map[[2]string]*CellResult{}
	regionSet := map[string]bool{}
	for _, r := range cells {
		row, via := name(r)
		row = clean(row)
		if via != "" {
			row += " via " + clean(via)
		}
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		region := regionName(r.Cell)
		regionSet[region] = true
		at[[2]string{row, region}] = r
	}
	return rows, slices.Sorted(maps.Keys(regionSet)), at
}

// MatrixNames names the rows of a matrix of models and regions. A row is a model; where several providers serve it in one region,
// or it is reached in several ways, it is named in full.
func MatrixNames(cells []*CellResult) func(*CellResult) (name, via string) {
	places := map[[2]string]int{}
	for _, r := range cells {
		places[[2]string{r.Cell.Model, r.Cell.Region}]++
	}
	ambiguous := map[string]bool{}
	for place, n := range places {
		if n > 1 {
			ambiguous[place[0]] = true
		}
	}
	return func(r *CellResult) (name, via string) {
		if ambiguous[r.Cell.Model] || r.Cell.Model == "" {
			return r.Cell.Target, r.Cell.Via
		}
		return r.Cell.Model, ""
	}
}

// heatColumns is how many regions fit side by side.
func (t *textWriter) heatColumns(rows, regions []string) int {
	label, column := leastWidth, len(" 12,345! ")
	for _, row := range rows {
		label = max(label, displaywidth.String(row))
	}
	for _, region := range regions {
		column = max(column, displaywidth.String(region))
	}
	label = min(label, t.o.Width/2)
	return max(1, (t.o.Width-label)/(column+columnGap))
}

func heatRange(cells []*CellResult) (lo, hi float64) {
	first := true
	for _, r := range cells {
		if !r.TPS.Has() {
			continue
		}
		if first {
			lo, hi, first = r.TPS.Mean, r.TPS.Mean, false
		}
		lo, hi = min(lo, r.TPS.Mean), max(hi, r.TPS.Mean)
	}
	return lo, hi
}

func shade(v, lo, hi float64) string {
	all := shades()
	if hi <= lo {
		return all[len(all)/2]
	}
	i := int((v - lo) / (hi - lo) * float64(len(all)))
	return all[min(max(i, 0), len(all)-1)]
}

// byCount returns the keys of counts, the highest first.
func byCount(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(max(-1, min(1, counts[b]-counts[a])))
		}
		return strings.Compare(a, b)
	})
}
