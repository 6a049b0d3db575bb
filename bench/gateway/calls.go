//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/bench/rig"
)

const (
	maxConns = 4096             // of an open loop; calls beyond wait, and their wait counts
	patience = 10 * time.Second // for what is under way when the load ends
)

// caller sends non-stream calls over kept connections. A connection's goroutine reads answers; whoever decides that a
// call is due writes its request, so that no hand-over stands between the schedule and the socket.
type caller struct {
	clock   rig.Clock
	addr    string
	request []byte
	tally   *tally
	until   int64 // closed loop: each answer is followed by a call before this time; 0 in an open loop

	wg    sync.WaitGroup // one for each connection's goroutine
	mu    sync.Mutex
	conns map[*callConn]bool
	idle  []*callConn
	queue []int64       // due times of calls that found no connection
	under int64         // calls sent or queued and not answered
	quiet chan struct{} // made by settle, closed by whoever answers the last call under way
}

type callConn struct {
	c   net.Conn
	due atomic.Int64 // intended start of the call under way, 0 if none
}

func runCalls(c rig.Clock, j job) (*result, error) {
	begin := c.Now() + int64(20*time.Millisecond)
	from := begin + int64(j.Warm)
	t := newTally(from, from+int64(j.Window))
	l := &caller{clock: c, addr: j.Addr, request: request(j.Addr, j.Size, 0, 0), tally: t, conns: make(map[*callConn]bool)}
	defer l.close()
	for range j.Conns {
		cn, err := l.dial()
		if err != nil {
			return nil, err
		}
		l.idle = append(l.idle, cn)
	}
	watched := make(chan error, 1)
	go func() { watched <- watch(c, j, t) }()
	var err error
	if j.Kind == "open" {
		err = l.follow(arrivals(j, begin))
	} else {
		err = l.loop(t.to)
	}
	l.settle()
	if werr := <-watched; werr != nil {
		err = errors.Join(err, werr)
	}
	if err != nil {
		return nil, err
	}
	return t.finish(), nil
}

// arrivals fixes the starts of all calls before the first is sent: exponential gaps of the given mean.
func arrivals(j job, begin int64) []int64 {
	rnd := rand.New(rand.NewPCG(j.Seed, 1))
	end := begin + int64(j.Warm+j.Window)
	var due []int64
	at := float64(begin)
	for {
		at += rnd.ExpFloat64() / j.Rate * float64(time.Second)
		if int64(at) >= end {
			return due
		}
		due = append(due, int64(at))
	}
}

// follow sends a call at each of the due times, whatever has become of the others.
func (l *caller) follow(due []int64) error {
	a, err := rig.NewAlarm()
	if err != nil {
		return err
	}
	defer a.Close()
	for _, at := range due {
		if err := a.Until(l.clock, at); err != nil {
			return err
		}
		l.start(at)
	}
	return nil
}

// loop keeps one call under way on each connection until the given time.
func (l *caller) loop(until int64) error {
	a, err := rig.NewAlarm()
	if err != nil {
		return err
	}
	defer a.Close()
	l.until = until
	for range len(l.conns) { // all idle, and no goroutine touches conns before its first answer
		l.start(l.clock.Now())
	}
	return a.Until(l.clock, until)
}

// start sends the call that is due on an idle connection, a new one, or as soon as one is free.
func (l *caller) start(due int64) {
	l.mu.Lock()
	l.under++
	if n := len(l.idle); n > 0 {
		cn := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		l.send(cn, due)
		return
	}
	if len(l.conns) >= maxConns {
		l.queue = append(l.queue, due)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.wg.Go(func() {
		cn, err := l.dial()
		if err != nil {
			l.tally.sent(due, l.clock.Now())
			l.lost(err)
			return
		}
		l.send(cn, due)
	})
}

// send writes the request of a call. A failed write shows in the connection's goroutine, whose read fails too.
func (l *caller) send(cn *callConn, due int64) {
	cn.due.Store(due)
	l.tally.sent(due, l.clock.Now())
	if _, err := cn.c.Write(l.request); err != nil {
		cn.c.Close()
	}
}

func (l *caller) dial() (*callConn, error) {
	c, err := net.DialTimeout("tcp", l.addr, patience)
	if err != nil {
		return nil, fmt.Errorf("dial peer: %w", err)
	}
	cn := &callConn{c: c}
	l.mu.Lock()
	l.conns[cn] = true
	l.mu.Unlock()
	l.wg.Go(func() { l.read(cn) })
	return cn, nil
}

// read takes answers until the connection ends.
func (l *caller) read(cn *callConn) {
	br := bufio.NewReaderSize(cn.c, 8192)
	for {
		err := readAnswer(br)
		now := l.clock.Now()
		due := cn.due.Swap(0)
		if err != nil {
			cn.c.Close()
			l.forget(cn)
			if due != 0 {
				l.lost(err)
			}
			return
		}
		l.tally.answered(due, now)
		l.next(cn, now)
	}
}

// next gives a connection that has become free its next call: the closed loop's, or the first of the queue.
func (l *caller) next(cn *callConn, now int64) {
	if now < l.until {
		l.send(cn, now)
		return
	}
	l.mu.Lock()
	l.less()
	if len(l.queue) == 0 {
		l.idle = append(l.idle, cn)
		l.mu.Unlock()
		return
	}
	due := l.queue[0]
	l.queue = l.queue[1:]
	l.mu.Unlock()
	l.send(cn, due)
}

// less counts one call as no longer under way. The caller holds mu.
func (l *caller) less() {
	l.under--
	if l.under == 0 && l.quiet != nil {
		close(l.quiet)
		l.quiet = nil
	}
}

// lost counts a call that got no proper answer.
func (l *caller) lost(err error) {
	l.tally.fail(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.less()
}

func (l *caller) forget(cn *callConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, cn)
	l.idle = slices.DeleteFunc(l.idle, func(o *callConn) bool { return o == cn })
}

// settle waits until nothing is under way; what is still open after a while has failed.
func (l *caller) settle() {
	l.mu.Lock()
	quiet := make(chan struct{})
	if l.under == 0 {
		close(quiet)
	} else {
		l.quiet = quiet
	}
	l.mu.Unlock()
	select {
	case <-quiet:
		return
	case <-time.After(patience):
	}
	l.mu.Lock()
	left := l.under
	l.mu.Unlock()
	for range left {
		l.tally.fail(errors.New("no answer in time"))
	}
}

// close ends all connections and waits for their goroutines. Nothing is started after it.
func (l *caller) close() {
	l.mu.Lock()
	for cn := range l.conns {
		cn.due.Store(0) // what is cut off here has been counted by settle
		cn.c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}
