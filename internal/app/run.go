package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"sluice/internal/config"
	"sluice/internal/file"
	"sluice/internal/llm"
	"sluice/internal/replay"
	"sluice/internal/thread"
)

// flushTime bounds the writing of what is left in ledger and tracer at the end.
const flushTime = 10 * time.Second

// cutTime bounds the wait for calls whose connections have been cut: they have nothing left to wait for.
const cutTime = 2 * time.Second

// errShutdown ends calls that outlive the drain. It is what their clients are told.
func errShutdown() *llm.Error {
	e := llm.Errorf(llm.KindDraining, "the gateway is shutting down")
	e.RetryAfter = time.Second
	return e
}

// listen opens the listeners.
func (a *App) listen(c *config.Config) (err error) {
	if a.public, err = open(c.Ingress.Listen, "listen"); err != nil {
		return err
	}
	conf, err := tlsConfig(c.Ingress.TLS)
	if err != nil {
		return err
	}
	if conf != nil {
		a.public = tls.NewListener(a.public, conf)
	}
	if c.Console.AdminListen != "" {
		if a.private, err = open(c.Console.AdminListen, "admin_listen"); err != nil {
			return err
		}
	}
	return nil
}

func open(addr, setting string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the address is in use by another program; choose another with --listen or %s", addr, setting)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", addr, setting, err)
	}
	return ln, nil
}

// Addr returns the address that clients connect to.
func (a *App) Addr() net.Addr { return a.public.Addr() }

// Run serves until ctx ends, then drains: first it reports not ready, then it takes no new calls, then calls under way may
// finish until the soft limit, then the rest are told in their own protocol, and what is left at the hard limit is cut.
// The end of now skips to the cut. Run closes the App before it returns.
func (a *App) Run(ctx, now context.Context) error {
	work, endWork := context.WithCancelCause(context.Background())
	defer endWork(nil)
	later, endLater := context.WithCancel(context.Background()) // ends when no call is left
	defer endLater()

	a.ingress.Base(work)
	servers := []*http.Server{a.server(work, a.ingress)}
	listeners := []net.Listener{a.public}
	if a.private != nil {
		servers, listeners = append(servers, a.server(work, a.admin)), append(listeners, a.private)
	}
	failed := make(chan error, len(servers)+2) // each goroutine below sends at most once; never closed
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			if err := s.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", listeners[i].Addr(), err)
			}
		})
	}
	wg.Go(func() {
		if err := a.ledger.Run(later); err != nil {
			failed <- fmt.Errorf("write ledger: %w", err)
		}
	})
	wg.Go(func() {
		if err := a.keys.Run(later); err != nil && later.Err() == nil {
			failed <- fmt.Errorf("watch keys: %w", err)
		}
	})

	wg.Go(func() { a.share(later) })
	wg.Go(func() { a.learn(later) })
	wg.Go(func() { a.watchBaselines(later) })
	wg.Go(func() { a.prober.run(later) })
	wg.Go(func() {
		thread.Clean(later, a.store, func() thread.Config { return a.current().Ingress.Responses }, a.log)
	})
	wg.Go(func() { file.Clean(later, a.store, a.log) })
	wg.Go(func() {
		replay.Clean(later, a.ingress.Replays(), a.store, func() replay.KeyConfig { return a.current().Ingress.Idempotency }, a.log)
	})
	wg.Go(func() {
		if err := a.watcher.Run(ctx); err != nil {
			a.log.Warn("configuration changes are not noticed: send SIGHUP after one", "error", err)
			a.watcher.Answer(ctx)
		}
	})

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	a.drain(now, servers, endWork)
	endLater()
	wg.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	return errors.Join(err, a.Close())
}

// server returns an HTTP server whose calls end with work.
func (a *App) server(work context.Context, h http.Handler) *http.Server {
	a.mu.Lock()
	c := a.config.Ingress.Clients
	a.mu.Unlock()
	return &http.Server{
		Handler:           a.closing(h),
		ReadHeaderTimeout: c.ReadHeader,
		IdleTimeout:       c.KeepAlive,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return work },
		ErrorLog:          errorLog(a.log),
	}
}

// closing tells clients with each answer during a drain that their connection is not kept. Connections that nobody has used since are closed
// only at its very end: closing them when it begins, as SetKeepAlivesEnabled(false) does, would reset those on which a request is on its
// way, and clients must not send a POST again.
func (a *App) closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header()["Connection"] = []string{"close"}
		}
		h.ServeHTTP(w, r)
	})
}

// drain ends the servers in the order that Run describes.
func (a *App) drain(now context.Context, servers []*http.Server, endWork context.CancelCauseFunc) {
	a.mu.Lock()
	d := a.config.Ingress.Drain
	a.mu.Unlock()
	begin := time.Now()
	a.draining.Store(true)
	a.log.Info("draining", "calls", a.metrics.InFlight(), "soft", d.Soft, "hard", d.Hard)
	wait(now, d.Delay)
	a.ingress.Drain()

	soft, cancelSoft := context.WithDeadline(now, begin.Add(d.Soft))
	defer cancelSoft()
	a.idle(soft) // with open listeners: who comes now is told why there is no answer, rather than finding nobody
	if shutdown(soft, servers) && a.ingress.Detached() == 0 {
		return
	}
	a.log.Warn("calls are being ended", "calls", a.metrics.InFlight())
	endWork(errShutdown())
	hard, cancelHard := context.WithDeadline(context.WithoutCancel(now), begin.Add(max(d.Hard, d.Soft+time.Second)))
	defer cancelHard()
	if now.Err() != nil {
		cancelHard()
		hard, cancelHard = context.WithTimeout(context.Background(), time.Second)
		defer cancelHard()
	}
	if !shutdown(hard, servers) {
		for _, s := range servers {
			_ = s.Close() // the hard limit is over
		}
	}
	// Close does not wait for the calls that it ends, nor shutdown for those without a connection; and the ledger is flushed next.
	last, cancelLast := context.WithTimeout(context.Background(), cutTime)
	defer cancelLast()
	a.idle(last)
}

// idle waits until no call is under way or ctx ends. A call that is just beginning may be missed; shutdown waits for it.
func (a *App) idle(ctx context.Context) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for a.metrics.InFlight() > 0 || a.ingress.Detached() > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// shutdown waits for the servers' calls until ctx ends and reports whether all have ended.
func shutdown(ctx context.Context, servers []*http.Server) bool {
	all := true
	for _, s := range servers {
		all = s.Shutdown(ctx) == nil && all
	}
	return all
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Close lets go of everything that New opened. Run does it at its end.
func (a *App) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	var errs []error
	for _, ln := range []net.Listener{a.public, a.private} {
		if ln != nil {
			if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	a.mu.Lock()
	for _, account := range a.accounts {
		account.Close()
	}
	for _, s := range a.sims {
		a.retired = append(a.retired, s)
	}
	for _, s := range a.retired {
		errs = append(errs, s.close())
	}
	a.accounts, a.sims, a.retired = nil, nil, nil
	a.mu.Unlock()
	if a.tracer != nil {
		errs = append(errs, a.tracer.Shutdown(ctx))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}
