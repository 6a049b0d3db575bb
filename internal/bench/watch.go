package bench

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"sluice/internal/report"
)

const (
	probeEvery = 10 * time.Millisecond
	handshakes = 3
)

// watch looks at this process while the measured window lasts: how late an alarm comes that has nothing to do with the load,
// and how much of the processor is used.
type watch struct {
	r       *run
	alarm   alarm
	release func()
	stop    context.CancelFunc
	wg      sync.WaitGroup

	// Owned by the goroutine until end.
	late *hdrhistogram.Histogram // microseconds
	cpu  float64
}

// watched is what the watch has seen.
type watched struct {
	probe  report.Quantiles
	cpu    float64 // cores
	memory int64   // bytes, the most so far
	files  int64   // limit
}

func (r *run) startWatch() (*watch, error) {
	ctx, stop := context.WithCancel(r.work)
	w := &watch{r: r, stop: stop, late: latencies()}
	var err error
	if w.alarm, w.release, err = newAlarm(ctx, r.virtual); err != nil {
		stop()
		return nil, err
	}
	w.wg.Go(w.run)
	return w, nil
}

// run probes from one end of the window to the other. A probe that is late does not move the others: those that should have
// been meanwhile are late too, by less.
func (w *watch) run() {
	from, to := w.r.window.from, w.r.window.to
	if !w.alarm.until(w.r.anchor.Add(from)) {
		return
	}
	before, _ := usage()
	begin := w.r.now()
	for t := from; t < to && w.alarm.until(w.r.anchor.Add(t)); t += probeEvery {
		observe(w.late, w.r.now()-t)
	}
	after, _ := usage()
	if wall := w.r.now() - begin; wall > 0 {
		w.cpu = float64(after-before) / float64(wall)
	}
}

func (w *watch) end() watched {
	w.stop()
	w.release()
	w.wg.Wait()
	_, memory := usage()
	files, _ := raiseFiles() // it was raised before, when an error ended the run
	return watched{probe: quantiles(w.late), cpu: w.cpu, memory: memory, files: files}
}

// handshake returns the median time of some TCP handshakes with the target, 0 if it is not known. It is told beside the
// latencies, and never taken off them.
func (r *run) handshake(ctx context.Context) time.Duration {
	if r.virtual {
		return 0
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: r.sender.base}); err != nil || proxy != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(address(r.sender.base))
	if err != nil {
		return 0
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil || len(addrs) == 0 {
		return 0 // the requests will say so
	}
	var took []time.Duration
	for range handshakes {
		begin := time.Now()
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(addrs[0], port))
		if err != nil {
			return 0
		}
		took = append(took, time.Since(begin))
		_ = c.Close() // nothing was written
	}
	slices.Sort(took)
	return took[len(took)/2]
}
