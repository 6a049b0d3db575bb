package workload

import (
	"math"
	"sort"
)

// dist is a distribution of lengths by its percentiles: the inverse of its distribution function, linear in the logarithm
// of the length between knots. No knots means that the length is not given.
type dist struct {
	P []float64 `json:"p,omitempty"` // from 0 to 1, rising
	X []float64 `json:"x,omitempty"` // at least 1, never falling
}

// knot is one row of a table of percentiles.
type knot struct{ p, x float64 }

// lowest is the percentile that a table without a minimum is continued down to.
const lowest = 0.01

// newDist makes a distribution of knots in rising order of p. What a table leaves open it completes:
//   - Above its last percentile nothing is longer than that: no request costs more than the table names.
//   - Below its first percentile the length falls on the log-normal through its two lowest ones, down to what that gives
//     for the first percentile. With one percentile only, all lengths are the same.
func newDist(knots []knot) dist {
	var d dist
	if len(knots) == 0 {
		return d
	}
	if first := knots[0]; first.p > 0 {
		low := first.x
		if len(knots) > 1 && first.p > lowest {
			second := knots[1]
			slope := math.Log(second.x/first.x) / (normalQuantile(min(second.p, 0.999)) - normalQuantile(first.p))
			low = max(1, first.x*math.Exp(slope*(normalQuantile(lowest)-normalQuantile(first.p))))
		}
		d.P, d.X = append(d.P, 0), append(d.X, low)
	}
	for _, k := range knots {
		d.P, d.X = append(d.P, k.p), append(d.X, k.x)
	}
	if last := knots[len(knots)-1]; last.p < 1 {
		d.P, d.X = append(d.P, 1), append(d.X, last.x)
	}
	return d
}

// fixed is the distribution of one length.
func fixed(x float64) dist { return dist{P: []float64{0, 1}, X: []float64{x, x}} }

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

func (d *dist) given() bool { return len(d.P) > 0 }

// at returns the length at u, between 0 and 1; 0 if the distribution is not given.
func (d *dist) at(u float64) float64 {
	if !d.given() {
		return 0
	}
	i := min(max(sort.SearchFloat64s(d.P, u), 1), len(d.P)-1)
	lo, hi := d.X[i-1], d.X[i]
	if lo == hi || d.P[i] == d.P[i-1] {
		return hi
	}
	return lo * math.Pow(hi/lo, (u-d.P[i-1])/(d.P[i]-d.P[i-1]))
}

// tokens returns the length at u as a whole number.
func (d *dist) tokens(u float64) int32 { return int32(math.Round(d.at(u))) }

// mean returns the mean length.
func (d *dist) mean() float64 {
	var sum float64
	for i := 1; i < len(d.P); i++ {
		lo, hi := d.X[i-1], d.X[i]
		m := hi
		if lo != hi {
			m = (hi - lo) / math.Log(hi/lo)
		}
		sum += (d.P[i] - d.P[i-1]) * m
	}
	return sum
}

// lengths are those of a request's parts.
type lengths struct {
	In    dist `json:"in"`
	Out   dist `json:"out"`
	Joint bool `json:"joint,omitempty"` // one draw for both: a request at p95 is long in both
}

// draw returns both lengths; 0 where one is not given.
func (l *lengths) draw(s source) (in, out int32) {
	u := s.unit(0)
	v := u
	if !l.Joint {
		v = s.unit(1)
	}
	return l.In.tokens(u), l.Out.tokens(v)
}
