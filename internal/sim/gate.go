package sim

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// gate is a listener that closes its port while a rule says down;form=refuse, so that clients are refused by the system itself.
//
//  1. A connection that comes while the rule applies is reset, and the port is closed: this is noticed no earlier.
//  2. Accept waits for the end of the outage. Connections that were open are dealt with by the handlers, which reset them.
//  3. The same port is opened again.
type gate struct {
	s    *Server
	addr string

	mu     sync.Mutex
	inner  net.Listener
	closed bool
	end    chan struct{} // closed by Close
}

func newGate(s *Server, l net.Listener) *gate {
	return &gate{s: s, addr: l.Addr().String(), inner: l, end: make(chan struct{})}
}

// Addr returns the address that was opened first; it stays.
func (g *gate) Addr() net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inner.Addr()
}

// Close closes the port for good. It may be called more than once.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return net.ErrClosed
	}
	g.closed = true
	close(g.end)
	if err := g.inner.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Accept waits for a connection that comes while the port is to be open.
func (g *gate) Accept() (net.Conn, error) {
	for {
		g.mu.Lock()
		l := g.inner
		g.mu.Unlock()
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		rule, until := g.s.down(time.Now())
		if rule == nil {
			return conn, nil
		}
		if how, _ := downs(rule.faults); how != "refuse" {
			return conn, nil
		}
		rule.struck.Add(1)
		hangUp(conn, cutRST)
		if err := g.shut(l, until); err != nil {
			return nil, err
		}
	}
}

// shut closes the port until a time.
func (g *gate) shut(l net.Listener, until time.Time) error {
	if err := l.Close(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.end:
		return net.ErrClosed
	}
	again, err := net.Listen("tcp", g.addr)
	if err != nil {
		return fmt.Errorf("open the port again after an outage: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		_ = again.Close() // never used
		return net.ErrClosed
	}
	g.inner = again
	return nil
}

// hangUp ends a connection in the given form.
func hangUp(conn net.Conn, how cutForm) {
	if tcp, ok := conn.(*net.TCPConn); ok && how == cutRST {
		_ = tcp.SetLinger(0) // close sends a reset then; without it the close is only softer
	}
	_ = conn.Close() // broken on purpose
}
