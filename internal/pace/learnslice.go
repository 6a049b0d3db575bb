package pace

import "time"

// Where a second's worth is enforced in each second of the provider's clock, most of it can only be used by who begins with the slice. When that
// is, refusals tell: a beginning by which a refused call had room is none. Until there is one any beginning is as good as another, because a
// backlog is sent all at once then, and is in one slice of the provider's, whichever, unless that ends just then.
const (
	phaseTime = 50 * time.Millisecond
	phaseBins = int(time.Second / phaseTime)
	phaseSums = 3 * phaseBins

	// phaseSlack is how far from a slice's ends nothing is sent: the beginning is known to a part, and what is sent late in a slice, when an
	// answer has given something back, would count for the provider's next.
	phaseSlack = phaseTime + 10*time.Millisecond
)

// phase is what is known of when slices begin, as parts of our own seconds.
type phase struct {
	not  [phaseBins]bool
	at   time.Duration // taken for a beginning
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

// refused takes in that a call was refused, and chooses a beginning that is still possible.
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
	p.choose(at)
}

// choose takes the end of the longest row of possible beginnings: who begins late is in the right slice. Where nothing is known it is any but
// the present one, which was refused.
func (p *phase) choose(at time.Duration) {
	best, most := -1, 0
	for b := range p.not {
		n := 0
		for n < phaseBins && !p.not[(b-n+phaseBins)%phaseBins] {
			n++
		}
		if n > most {
			best, most = b, n
		}
	}
	switch most {
	case 0:
	case phaseBins:
		p.at = (at + 300*time.Millisecond) % time.Second
	default:
		p.at = time.Duration(best+1) * phaseTime % time.Second
	}
}
