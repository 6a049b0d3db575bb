//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sluice/bench/rig"
)

// measured is what a load tool says of one run.
type measured struct {
	Rate    float64 // answers a second
	Latency three
	N       int64
	Failed  int64
}

// target is what a tool is to send: the same request for an answer that is not streamed, again and again.
type target struct {
	url, body string
	users     int     // of a closed loop
	rate      float64 // of an open loop
	length    time.Duration
}

// tool is somebody else's load tool.
type tool struct {
	name    string
	install string // what to do where it is missing
	// command returns the program's arguments. It may write files into dir.
	command func(path, dir string, t target) ([]string, error)
	read    func(out []byte, t target) (measured, error)
	open    bool   // it sends at a rate, whatever becomes of the answers
	path    string // "" if it is missing
}

// tools lists the tools that are known, with those that are not here marked by an empty path. k6 is built if need be.
func (l *lab) tools(ctx context.Context) []*tool {
	all := []*tool{wrk(), hey(), k6()}
	for _, t := range all {
		t.find()
	}
	if t := all[2]; t.path == "" {
		l.say("building k6; the first time takes minutes")
		path := filepath.Join("bench-out", "k6")
		out, err := exec.CommandContext(ctx, "go", "build", "-C", "bench/peers", "-o", filepath.Join("..", "..", path), "go.k6.io/k6").CombinedOutput()
		if err == nil {
			t.path = path
		} else {
			first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			t.install = fmt.Sprintf("not built (%v: %s); in the repository's directory: %s", err, first, t.install)
		}
	}
	return all
}

// find looks for the program and returns the tool, nil if it is not installed.
func (tl *tool) find() *tool {
	path, err := exec.LookPath(tl.name)
	if err != nil {
		return nil
	}
	tl.path = path
	return tl
}

// start begins a run on the engine's CPU.
func (l *lab) start(tl *tool, t target) (*rig.Process, error) {
	dir, err := os.MkdirTemp(l.dir, tl.name+"-")
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", tl.name, err)
	}
	args, err := tl.command(tl.path, dir, t)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", tl.name, err)
	}
	return rig.Start(rig.Spec{Dir: dir, Name: tl.name, CPUs: l.o.engineCPU, Env: []string{"GOMAXPROCS=1"}, Args: args})
}

// finish waits for the end of a run and reads what it measured.
func (tl *tool) finish(ctx context.Context, p *rig.Process, t target) (measured, error) {
	out, err := p.ReadAll(ctx, t.length+30*time.Second)
	if err != nil {
		return measured{}, err
	}
	m, err := tl.read(out, t)
	if err != nil {
		return m, fmt.Errorf("read output of %s: %w", tl.name, err)
	}
	return m, nil
}

// wrk is a closed loop in C. Its own percentiles are four; a script prints others.
func wrk() *tool {
	const script = `wrk.method = "POST"
wrk.body = %s
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %%d %%d %%d %%f %%f %%f\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
`
	return &tool{
		name: "wrk", install: "apt-get install wrk",
		command: func(path, dir string, t target) ([]string, error) {
			name := filepath.Join(dir, "load.lua")
			body := "'" + t.body + "'" // JSON without quotes of this kind
			return []string{
				path, "-t1", "-c", strconv.Itoa(t.users), "-d", fmt.Sprintf("%.0fs", t.length.Seconds()), "--timeout", "30s", "-s", name, t.url,
			}, os.WriteFile(name, fmt.Appendf(nil, script, body), 0o600)
		},
		read: func(out []byte, _ target) (measured, error) {
			_, line, ok := strings.Cut(string(out), "RESULT ")
			if !ok {
				return measured{}, errors.New("no line of results")
			}
			var n, us, failed int64
			var v three
			if _, err := fmt.Sscan(line, &n, &us, &failed, &v[0], &v[1], &v[2]); err != nil {
				return measured{}, err
			}
			for i := range v {
				v[i] /= 1000 // microseconds
			}
			return measured{Rate: float64(n) / (float64(us) / 1e6), Latency: v, N: n, Failed: failed}, nil
		},
	}
}

// hey is a closed loop in Go, that can print each request.
func hey() *tool {
	return &tool{
		name: "hey", install: "apt-get install hey",
		command: func(path, _ string, t target) ([]string, error) {
			return []string{
				path, "-z", t.length.String(), "-c", strconv.Itoa(t.users), "-m", "POST", "-T", "application/json", "-d", t.body, "-t", "30", "-o", "csv", t.url,
			}, nil
		},
		read: func(out []byte, _ target) (measured, error) {
			rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
			if err != nil || len(rows) < 2 || rows[0][0] != "response-time" {
				return measured{}, fmt.Errorf("no table of requests: %w", err)
			}
			return readRequests(rows[1:])
		},
	}
}

// readRequests reads hey's table: the time of each request, its status, and when it began.
func readRequests(rows [][]string) (m measured, err error) {
	var v []float64
	end := 0.0
	for _, row := range rows {
		took, err1 := strconv.ParseFloat(row[0], 64)
		began, err2 := strconv.ParseFloat(row[len(row)-1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return m, err
		}
		end = max(end, began+took)
		if row[len(row)-2] != "200" {
			m.Failed++
			continue
		}
		v = append(v, 1000*took)
	}
	m.N, m.Latency, m.Rate = int64(len(v)), threeOf(v), float64(len(v))/end
	return m, nil
}

// k6 is an open loop in Go, with JavaScript for each request.
func k6() *tool {
	const script = `import http from "k6/http";
export const options = {
  scenarios: { load: { executor: "constant-arrival-rate", rate: %[1]d, timeUnit: "1s", duration: "%.0[2]fs", preAllocatedVUs: 50, maxVUs: 500 } },
  summaryTrendStats: ["p(50)", "p(95)", "p(99)", "count"],
};
const body = %[3]s, params = { headers: { "Content-Type": "application/json" } };
export default function () { http.post(%[4]s, body, params); }
export function handleSummary(data) { return { stdout: JSON.stringify(data.metrics) + "\n" }; }
`
	return &tool{
		name: "k6", open: true, install: "go build -C bench/peers -o ../../bench-out/k6 go.k6.io/k6",
		command: func(path, dir string, t target) ([]string, error) {
			name := filepath.Join(dir, "load.js")
			return []string{path, "run", "--quiet", "--no-usage-report", "--log-output=stderr", name},
				os.WriteFile(name, fmt.Appendf(nil, script, int(t.rate), t.length.Seconds(), strconv.Quote(t.body), strconv.Quote(t.url)), 0o600)
		},
		read: func(out []byte, t target) (measured, error) {
			var metrics map[string]struct{ Values map[string]float64 }
			if err := json.Unmarshal(out, &metrics); err != nil {
				return measured{}, err
			}
			d, reqs, bad := metrics["http_req_duration"].Values, metrics["http_reqs"].Values, metrics["http_req_failed"].Values
			if d == nil || reqs["count"] == 0 {
				return measured{}, errors.New("no requests in its summary")
			}
			return measured{
				Rate: reqs["count"] / t.length.Seconds(), N: int64(reqs["count"]), Failed: int64(bad["passes"]),
				Latency: three{d["p(50)"], d["p(95)"], d["p(99)"]},
			}, nil
		},
	}
}
