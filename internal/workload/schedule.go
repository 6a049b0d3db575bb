package workload

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// MaxRequests is how many requests a schedule holds: some 300 MB.
const MaxRequests = 5_000_000

// ScheduleOptions choose a run of a workload.
type ScheduleOptions struct {
	Key Key // Seed is Workload.Seed as a rule. Seed and Repeat decide lengths and gaps: cells and steps get the same load.

	Rate        float64 // in place of the workload's; 0 keeps it. A closed loop becomes an open one, a trace faster or slower.
	Concurrency int     // in place of the workload's: users of a closed loop, else the cap; 0 keeps it
	Phases      *Phases // in place of the workload's; nil keeps them
	Requests    int64   // at most so many in the sustain phase; 0 for no limit
}

// Schedule is computed whole before a run starts, and never changed by what happens in it. Its methods are safe for
// concurrent use.
type Schedule struct {
	Arrival  Arrival
	Phases   Phases
	Slots    []Slot // sorted by At; nil in a closed loop
	Requests int64  // in a closed loop the most that may be sent in the sustain phase, 0 for no limit

	design *design
}

// Schedule computes a run: when each request is due and how long it is. The same options give the same schedule.
func (w *Workload) Schedule(o ScheduleOptions) (*Schedule, error) {
	s := &Schedule{Arrival: w.Arrival, Phases: w.Phases, Requests: o.Requests, design: w.design(o.Key)}
	if o.Rate > 0 {
		s.Arrival = w.Arrival.atRate(o.Rate)
		if s.Arrival.Process == Trace {
			s.Arrival.Speed = o.Rate / w.load.Trace.rate()
		}
	}
	if o.Concurrency > 0 {
		s.Arrival.Concurrency = o.Concurrency
	}
	if o.Phases != nil {
		s.Phases = *o.Phases
	}
	if s.Arrival.Process == Closed {
		return s, nil
	}
	if s.Arrival.Process == Trace {
		whole := time.Duration(float64(w.load.Trace.span()) / s.Arrival.Speed)
		if o.Phases == nil && w.load.Replay.Whole || s.Phases.Sustain > whole {
			s.Phases.Sustain = whole
		}
		s.Arrival.Rate = w.load.Trace.rate() * s.Arrival.Speed
	}
	b := builder{s: s, room: MaxRequests, due: make(dueTalks, 0)}
	var err error
	if s.Arrival.Process == Trace {
		err = b.replay(o.Key)
	} else {
		err = b.draw(o.Key, s.Arrival.profile(s.Phases))
	}
	if err != nil {
		return nil, fmt.Errorf("schedule workload %s: %w", w.Name, err)
	}
	return s, nil
}

// atRate returns an open loop at another rate.
func (a Arrival) atRate(rate float64) Arrival {
	switch a.Process {
	case Closed:
		a.Process, a.Concurrency, a.Think = Poisson, 0, 0
	case Rising:
		a.From *= rate / a.Rate
	}
	a.Rate = rate
	return a
}

// MaxRate returns the highest rate at which a run of the workload is sure to fit into a schedule.
func (w *Workload) MaxRate() float64 {
	a, p := w.Arrival.atRate(1), w.Phases
	room := 0.9 * MaxRequests // how many requests there are is a matter of chance
	if a.Process == Trace {   // its rows are as many at each rate
		a.Process, p.Sustain = Poisson, 0
		room = max(room-float64(len(w.load.Trace.rows)), 0)
	}
	return min(MaxRate, room/a.profile(p).total())
}

// builder fills the slots of an open loop.
type builder struct {
	s    *Schedule
	room int
	next int64 // conversation
	due  dueTalks
	free []talk // buffers of ended conversations
}

// draw adds the slots of a process that is drawn.
func (b *builder) draw(key Key, p profile) error {
	expected := p.total()
	if expected > MaxRequests {
		return fmt.Errorf("%.0f requests are more than the %d that a schedule holds; lower the rate, or the length of the phases", expected, MaxRequests)
	}
	b.s.Slots = slices.Grow(b.s.Slots, int(expected+4*math.Sqrt(expected))+1)
	arrival := b.s.Arrival.gaps(key.common("gaps"))
	for {
		seconds, ok := p.when(arrival())
		if !ok || b.full() {
			return nil
		}
		if len(b.s.Slots) == b.room {
			return fmt.Errorf("there are more than the %d requests that a schedule holds; lower the rate, or the length of the phases", MaxRequests)
		}
		at := time.Duration(seconds * float64(time.Second))
		b.add(at, b.s.Phases.At(at), b.take(at))
	}
}

func (b *builder) add(at time.Duration, phase Phase, slot Slot) {
	slot.At, slot.Index, slot.Phase, slot.Think = at, int64(len(b.s.Slots)), phase, 0
	b.s.Slots = append(b.s.Slots, slot)
}

// full reports whether as many requests as were asked for are in the sustain phase.
func (b *builder) full() bool {
	n, most := int64(len(b.s.Slots)), b.s.Requests
	return most > 0 && n >= most && b.s.Slots[n-most].Phase == Sustain
}

// take returns the request that an arrival becomes: the next turn of the conversation that has waited longest since its
// think time was over, else the first of another conversation. So arrivals are as the process gives them, whatever the
// turns.
func (b *builder) take(at time.Duration) Slot {
	d := b.s.design
	if len(b.due) > 0 && b.due[0].at <= at {
		w := &b.due[0]
		slot := w.slots[w.turn]
		b.proceed(w, at, slot)
		return slot
	}
	var t talk
	if n := len(b.free); n > 0 {
		t, b.free = b.free[n-1], b.free[:n-1]
	}
	c := b.next
	b.next++
	t = d.talk(t, c, -1)
	slot := t.slots[0]
	if len(t.slots) == 1 {
		b.free = append(b.free, t)
		return slot
	}
	heap.Push(&b.due, dueTalk{talk: t, at: at + d.think(slot), turn: 1, number: c})
	return slot
}

// proceed sets when the waiting conversation at the head has its next turn, or ends it.
func (b *builder) proceed(w *dueTalk, at time.Duration, sent Slot) {
	w.turn++
	if w.turn == len(w.slots) {
		b.free = append(b.free, heap.Pop(&b.due).(dueTalk).talk)
		return
	}
	w.at = at + b.s.design.think(sent)
	heap.Fix(&b.due, 0)
}

// think returns how long a user thinks after a turn: evenly distributed around the mean, by half of it.
func (d *design) think(after Slot) time.Duration {
	return jitter(d.Turns.Think, d.src.at(uint64(after.Group)).at(uint64(drawLengths+after.Turn)).unit(3))
}

func jitter(mean time.Duration, u float64) time.Duration {
	return time.Duration(float64(mean) * (0.5 + u))
}

// dueTalks is a heap of conversations that wait for their next turn.
type dueTalks []dueTalk

type dueTalk struct {
	talk
	at     time.Duration
	turn   int
	number int64
}

func (d dueTalks) Len() int { return len(d) }

// Less orders by time, then by number, so that the order is the same each time.
func (d dueTalks) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(d[i].at, d[j].at), cmp.Compare(d[i].number, d[j].number)) < 0
}
func (d dueTalks) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

// Push is for container/heap.
func (d *dueTalks) Push(x any) { *d = append(*d, x.(dueTalk)) }

// Pop is for container/heap.
func (d *dueTalks) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

// replay adds the slots of a trace. Warm-up and ramp before it are drawn from its rows, at its mean rate.
func (b *builder) replay(key Key) error {
	before := b.s.Arrival
	before.Process = Poisson
	phases := b.s.Phases
	phases.Sustain = 0
	tr := b.s.design.Trace
	p := before.profile(phases)
	if total := p.total() + float64(len(tr.rows)); total > MaxRequests {
		return fmt.Errorf("%.0f requests are more than the %d that a schedule holds; lower the speed, or the length of the phases", total, MaxRequests)
	}
	arrival := before.gaps(key.common("gaps"))
	rows := key.common("rows")
	for {
		seconds, ok := p.when(arrival())
		if !ok {
			break
		}
		at := time.Duration(seconds * float64(time.Second))
		row := int32(rows.below(uint64(b.next), len(tr.rows)))
		b.add(at, phases.At(at), b.s.design.talk(talk{}, b.next, row).slots[0])
		b.next++
	}
	from, _ := b.s.Phases.Window()
	var t talk
	for row, at := range tr.times(key.common("jitter")) {
		at = time.Duration(float64(at) / b.s.Arrival.Speed)
		if at >= b.s.Phases.Sustain || b.full() {
			break
		}
		t = b.s.design.talk(t, b.next, int32(row))
		b.add(from+at, Sustain, t.slots[0])
		b.next++
	}
	return nil
}

// Slot returns the i-th request. A closed loop has one for each i: computed from the seed and i, in any order.
func (s *Schedule) Slot(i int64) Slot {
	if s.Arrival.Process != Closed {
		return s.Slots[i]
	}
	users := int64(s.Arrival.Concurrency)
	user, step := i%users, i/users
	d := s.design
	slot := Slot{}
	if !d.Turns.given() {
		slot = d.talk(talk{}, i, -1).slots[0]
		slot.Think = s.pause(i, step)
	} else {
		slot = s.turnOf(user, step, i)
	}
	slot.Index = i
	return slot
}

// turnOf returns the step-th request of a user, who has one conversation after the other. The walk from the first takes
// some tens of nanoseconds for each conversation before.
func (s *Schedule) turnOf(user, step, i int64) Slot {
	var t talk
	left := step
	for c := user; ; c += int64(s.Arrival.Concurrency) {
		t = s.design.talk(t, c, -1)
		if n := int64(len(t.slots)); left >= n {
			left -= n
			continue
		}
		slot := t.slots[left]
		slot.Think = s.pause(i, step)
		if left > 0 {
			slot.Think = s.design.think(t.slots[left-1])
		}
		return slot
	}
}

// pause returns how long a user waits before the first turn of a conversation; the very first does not wait.
func (s *Schedule) pause(i, step int64) time.Duration {
	if step == 0 || s.Arrival.Think == 0 {
		return 0
	}
	return jitter(s.Arrival.Think, s.design.src.at(uint64(i)).unit(drawRow))
}

// UserStart returns when a user of a closed loop sends its first request. User u takes the slots u, u+Concurrency,
// u+2*Concurrency and so on, each when the one before has been answered and Slot.Think has passed. A tenth of the users
// start evenly over the warm-up, the others over the ramp; without one of these phases, all start over the other.
func (s *Schedule) UserStart(u int) time.Duration {
	users := s.Arrival.Concurrency
	early := int(math.Ceil(float64(users) * startShare))
	switch {
	case s.Phases.Ramp == 0:
		early = users
	case s.Phases.Warmup == 0:
		early = 0
	}
	if u < early {
		return s.Phases.Warmup * time.Duration(u) / time.Duration(early)
	}
	return s.Phases.Warmup + s.Phases.Ramp*time.Duration(u-early)/time.Duration(users-early)
}

// String describes how requests arrive, for people.
func (a Arrival) String() string {
	num := func(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
	var text string
	switch a.Process {
	case Closed:
		return fmt.Sprintf("closed loop, %d users", a.Concurrency)
	case Rising:
		text = "rate rising from " + num(a.From) + " to " + num(a.Rate) + "/s"
	case Gamma:
		text = "gamma arrivals of shape " + num(a.Shape) + ", " + num(a.Rate) + "/s"
	case Trace:
		text = "trace at " + num(a.Speed) + " times its speed"
	default:
		text = a.Process + " arrivals, " + num(a.Rate) + "/s"
	}
	if a.Concurrency > 0 {
		text += fmt.Sprintf(", at most %d in flight", a.Concurrency)
	}
	return text
}
