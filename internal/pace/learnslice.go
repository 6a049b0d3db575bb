package pace

import "time"

// Where a second's worth is enforced in each second of the provider's clock, most of it can only be used by who begins with the slice. When that
// is, refusals tell: a beginning by which a refused call had room is none. What is sent at a time of which it is not known whether it is before
// or after the beginning counts for both slices. A backlog, which is sent all at once as soon as that time is over, loses nothing by it.
const (
	phaseTime = 50 * time.Millisecond
	phaseBins = int(time.Second / phaseTime)
	phaseSums = 3 * phaseBins

	// phaseSlack is how much longer calls are under way than usual, and what is lost by rounding.
	phaseSlack = 20 * time.Millisecond
)

// phase is what is known of when slices begin, as parts of our own seconds.
type phase struct {
	not  [phaseBins]bool
	slot int64
	sums [phaseSums]take // sent and not refused, by time
}

// turn lets time pass.
func (p *phase) turn(now time.Duration) {
	slot := int64(now / phaseTime)
	for n := min(slot-p.slot, int64(phaseSums)); n > 0; n-- {
		p.sums[(slot-n+1)%int64(phaseSums)] = take{}
	}
	p.slot = max(p.slot, slot)
}

// sent takes note of a call that goes, or, negative, of one that was refused.
func (p *phase) sent(at time.Duration, t take) {
	if s := int64(at / phaseTime); p.slot-s < int64(phaseSums) {
		p.sums[s%int64(phaseSums)].add(t)
	}
}

// refused takes in that a call was refused.
func (p *phase) refused(at time.Duration, cost take, rate *take) {
	left := 0
	for b := range p.not {
		if p.not[b] {
			continue
		}
		begin := time.Duration(b) * phaseTime
		from := at - (at-begin+time.Second)%time.Second
		sum := cost
		for s := int64(from / phaseTime); s <= int64((at+shuffle)/phaseTime) && s <= p.slot; s++ {
			if s >= 0 && p.slot-s < int64(phaseSums) {
				sum.add(p.sums[s%int64(phaseSums)])
			}
		}
		if p.not[b] = sum.largest(rate) < 0.95; !p.not[b] {
			left++
		}
	}
	if left == 0 {
		p.not = [phaseBins]bool{}
	}
}

// begin returns when slices begin, and by how much that may be wrong; ok is false if it may be any time.
func (p *phase) begin() (at, slack time.Duration, ok bool) {
	last, most := 0, 0 // of the longest row of times at which they do not
	for b := range p.not {
		n := 0
		for n < phaseBins && p.not[(b-n+phaseBins)%phaseBins] {
			n++
		}
		if n > most {
			last, most = b, n
		}
	}
	if most == 0 {
		return 0, 0, false
	}
	half := time.Duration(phaseBins-most) * phaseTime / 2
	return (time.Duration(last+1)*phaseTime + half) % time.Second, half + phaseSlack, true
}
