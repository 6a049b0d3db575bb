package report

import "testing"

// TestHeatNames: one model at an account for each region is one row; two accounts in one region are told apart.
func TestHeatNames(t *testing.T) {
	t.Parallel()
	f := func(want string, i int, cells ...Cell) {
		t.Helper()
		var results []*CellResult
		for _, c := range cells {
			results = append(results, &CellResult{Cell: c})
		}
		name, via := MatrixNames(results)(results[i])
		if got := name + "|" + via; got != want {
			t.Errorf("%+v is in row %q, want %q", cells[i], got, want)
		}
	}
	eu, us := Cell{Target: "eu/m", Model: "m", Region: "eu"}, Cell{Target: "us/m", Model: "m", Region: "us"}
	other, direct := Cell{Target: "x/m", Model: "m", Region: "eu"}, Cell{Target: "eu/n", Model: "n", Region: "eu"}
	through := direct
	through.Via = "http://g/v1"
	f("m|", 0, eu, us)
	f("m|", 1, eu, us)
	f("eu/m|", 0, eu, us, other)
	f("us/m|", 1, eu, us, other)
	f("eu/n|http://g/v1", 1, direct, through)
	f("eu/n|", 0, direct, through)
	f("m|", 2, direct, through, us)
}
