package page

import (
	"testing"
	"time"

	"sluice/internal/report"
)

func TestFiguresAsText(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(number3(0), "0")
	f(number3(0.000123), "0.000123")
	f(number3(1.5), "1.50")
	f(number3(41.25), "41.2")
	f(number3(412.5), "412")
	f(number3(1234567.8), "1,234,568")
	f(number3(-1234.5), "−1,234")
	f(number3(-0.5), "−0.500")
	f(brief(20), "20")
	f(brief(2.5), "2.5")
	f(brief(1200), "1,200")
	f(grouped(-1234), "-1,234")
	f(grouped(999), "999")
	f(usd(0), "$0")
	f(usd(0.00055), "$0.000550")
	f(usd(0.011), "$0.0110")
	f(usd(1584), "$1,584")
	f(usd(118.8), "$119")
	f(usd(19.794), "$19.79")
	f(usd(-3.2), "−$3.20")
	f(shareText(1), "100 %")
	f(shareText(0), "0 %")
	f(shareText(0.9997), "99.970 %")
	f(shareText(0.9962), "99.62 %")
	f(shareText(0.954), "95.4 %")
	f(shareText(0.0004), "0.040 %")
	f(shareText(-0.031), "−3.1 %")
	f(shareText(1.04), "104.0 %")
	f(inUnits(999), "999 ms")
	f(inUnits(6000), "6 s")
	f(inUnits(2372), "2.37 s")
	f(lasting(1500*time.Millisecond), "1.5 s")
	f(lasting(2*time.Minute), "2 min")
	f(lasting(49*time.Minute+12*time.Second), "49 min 12 s")
	f(lasting(3*time.Hour+13*time.Minute), "3 h 13 min")
	f(counted(1, "target", "targets"), "1 target")
	f(counted(1200, "target", "targets"), "1,200 targets")
	f(listed([]string{"a"}, 3), "a")
	f(listed([]string{"a", "b", "c"}, 3), "a, b and c")
	f(listed([]string{"a", "b", "c", "d", "e"}, 3), "a, b, c and 2 others")
}

func TestRampStep(t *testing.T) {
	t.Parallel()
	f := func(x, lo, hi float64, want int) {
		t.Helper()
		if got := rampStep(x, lo, hi); got != want {
			t.Errorf("step of %v in [%v, %v] is %d, want %d", x, lo, hi, got, want)
		}
	}
	f(0, 0, 12, 0)
	f(12, 0, 12, rampSteps-1)
	f(5.5, 0, 12, 5)
	f(3, 3, 3, rampSteps/3)
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	one := func(target string, rate, tps, good, cost, e2e float64) report.CellResult {
		stat := func(x float64) report.Stat { return report.Stat{N: 3, Mean: x, Lo: 0.99 * x, Hi: 1.01 * x} }
		r := report.CellResult{
			Cell: report.Cell{Target: target}, Load: report.Load{Mode: "open", Rate: rate}, Rate: rate, Repeats: 3, Verdict: report.Verdict{State: report.StateValid},
			Requests: 1000, OK: 1000, TPS: stat(tps), GoodFraction: stat(good), Goodput: stat(good * tps),
			Summaries: []report.Summary{{E2ESched: report.Dist{N: 1000}}},
		}
		r.E2ESched.P95 = stat(e2e)
		if cost > 0 {
			r.CostPerCall = stat(cost)
		}
		return r
	}
	at := func(step int, r report.CellResult) report.CellResult {
		r.Step = step
		return r
	}
	failed := func(r report.CellResult) report.CellResult {
		r.OK = 0
		return r
	}
	f := func(want string, limits bool, results ...report.CellResult) {
		t.Helper()
		s := &report.Suite{}
		if limits {
			s.Workload.SLO.E2E = 1e9
		}
		var got string
		for _, p := range newView(s, results).answer() {
			if got += p.Text; p.Fig != nil {
				got += p.Fig.Text
			}
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("Nothing was measured.", true)
	f("No target can be judged.", true, failed(one("a", 10, 0, 0, 0, 0)))
	f("a meets the service level.", true, one("a", 10, 10, 0.95, 0, 500))
	f("a does not meet the service level.", true, one("a", 10, 10, 0.949, 0, 500))
	f("a was measured.", false, one("a", 10, 10, 0, 0, 500))
	f("a is the only target that meets the service level.", true, one("a", 10, 10, 0.99, 0, 500), one("b", 10, 10, 0.5, 0, 400))
	f("b is the cheapest of the 2 targets that meet the service level.", true, one("a", 10, 10, 0.99, 0.02, 500), one("b", 10, 10, 0.99, 0.01, 600))
	f("a answers fastest of the 2 targets that meet the service level.", true, one("a", 10, 10, 0.99, 0, 500), one("b", 10, 10, 0.99, 0.01, 600))
	f("No target meets the service level.", true, one("a", 10, 10, 0.4, 0, 500), one("b", 10, 10, 0.3, 0, 400))
	f("No target that can be judged meets the service level.", true, one("a", 10, 10, 0.4, 0, 500), failed(one("b", 10, 0, 0, 0, 0)))
	f("b answers fastest, and a is cheapest.", false, one("a", 10, 10, 0, 0.01, 500), one("b", 10, 10, 0, 0.02, 400))
	f("b answers fastest, and is cheapest.", false, one("a", 10, 10, 0, 0.02, 500), one("b", 10, 10, 0, 0.01, 400))
	f("b answers fastest.", false, one("a", 10, 10, 0, 0, 500), one("b", 10, 10, 0, 0.01, 400))
	f("b carries the highest load within the service level: 9.00 transactions a second.", true,
		one("a", 5, 5, 0.99, 0, 1), at(1, one("a", 10, 10, 0.5, 0, 1)), one("b", 9, 9, 0.96, 0, 1), at(1, one("b", 20, 20, 0.1, 0, 1)))
	f("a carries a load within the service level: at least 20.0 transactions a second.", true, one("a", 5, 5, 0.99, 0, 1), at(1, one("a", 20, 20, 0.99, 0, 1)))
	f("No target meets the service level at any load that was tried.", true, one("a", 5, 5, 0.9, 0, 1), at(1, one("a", 20, 20, 0.5, 0, 1)))
}
