package app

import (
	"math"
	"time"

	"sluice/internal/admit"
	"sluice/internal/console"
	"sluice/internal/limit"
	"sluice/internal/llm"
	"sluice/internal/obs"
	"sluice/internal/pace"
)

// queueView puts what the queue says of itself into the words of the admin API.
func (a *App) queueView(most int) console.Queue {
	v := a.queue.Look(most)
	q := console.Queue{Calls: v.Calls, MaxCalls: v.MaxCalls, Bytes: v.Bytes, MaxBytes: v.MaxBytes, BackOff: v.Paused}
	for i, c := range v.Classes {
		q.Classes = append(q.Classes, console.QueueClass{
			Class: c.Class.String(), Waiting: c.Waiting, OldestMS: c.Oldest.Milliseconds(), Started: v.Started[i], Refused: refusedOf(&v, c.Class),
		})
	}
	for _, k := range v.Keys {
		q.Keys = append(q.Keys, console.QueueKey{
			Key: k.Key, Class: k.Class.String(), Waiting: k.Waiting, Bytes: k.Bytes, Weight: k.Weight, OldestMS: k.Oldest.Milliseconds(),
		})
	}
	for i := range v.Targets {
		t := &v.Targets[i]
		ct := console.QueueTarget{
			Target: t.Target, Waiting: map[string]int{}, Tokens: t.Tokens, TokensPerSecond: t.PerSecond, ExpectedMS: map[string]int64{},
			BlockedMS: t.Blocked.Milliseconds(), Out: t.Out,
		}
		for c := range t.Waiting {
			name := llm.Class(c).String()
			ct.Waiting[name], ct.ExpectedMS[name] = t.Waiting[c], t.Expected[c].Milliseconds()
		}
		q.Targets = append(q.Targets, ct)
	}
	return q
}

func refusedOf(v *admit.View, c llm.Class) map[string]int64 {
	counts := map[string]int64{}
	for _, r := range v.Refused {
		if r.Class == c {
			counts[r.Reason] = r.Calls
		}
	}
	return counts
}

// queueStats puts the same into those of the metrics.
func (a *App) queueStats() obs.QueueStats {
	v := a.queue.Look(0)
	s := obs.QueueStats{Bytes: v.Bytes}
	for i, c := range v.Classes {
		s.Oldest[i] = c.Oldest
	}
	for _, r := range v.Refused {
		s.Refused = append(s.Refused, obs.QueueRefused{Class: r.Class, Reason: r.Reason, Calls: r.Calls})
	}
	return s
}

// origins says where something that is known of a quota comes from.
var origins = map[bool]string{false: "configured", true: "learned"}

// quotas lists what is known of quotas and of the length of calls.
func (a *App) quotas() console.Quotas {
	state := a.fleet.Snapshot()
	var out console.Quotas
	for i := range state.Quotas {
		q := &state.Quotas[i]
		if q.Quota == "" && q.InUse == 0 && q.Limit == 0 {
			continue // an account without limits of its own
		}
		out.Quotas = append(out.Quotas, quotaView(q))
	}
	for i := range state.Targets {
		t := &state.Targets[i]
		ct := console.QuotaTarget{Target: t.Target, InFlight: t.InUse, Limit: t.Limit, Adaptive: t.Adaptive}
		if e := t.Estimate; e.Calls > 0 {
			ct.Estimate = &console.Estimate{InputRatio: rounded(e.InputRatio), Output: rounded(e.Output), Calls: e.Calls}
		}
		out.Targets = append(out.Targets, ct)
	}
	return out
}

// rounded keeps three digits behind the point: what is shown is an average.
func rounded(f float64) float64 { return math.Round(f*1000) / 1000 }

func quotaView(q *pace.QuotaState) console.Quota {
	v := console.Quota{Provider: q.Provider, Models: q.Quota, Origin: origins[q.Learned], InFlight: q.InUse, Concurrency: q.Limit}
	for i := range q.Set.Budgets {
		b := &q.Set.Budgets[i]
		v.Limits = append(v.Limits, console.QuotaLimit{
			Dimension: b.Dim.String(), Per: limit.Period(b.Per), Limit: b.Amount, Used: b.Used, Left: leftOf(b), Burst: b.Burst, Held: b.Held,
		})
	}
	if len(v.Limits) == 0 {
		return v
	}
	sh := q.Set.Shape
	v.Charge = q.Set.Charge.String()
	v.Enforced = &console.Enforcement{
		Mode: sh.Mode.String(), Origin: origins[q.ShapeLearned], WindowSeconds: sh.Window.Seconds(), BurstSeconds: rounded(sh.Burst.Seconds()),
	}
	if !q.Set.Blocked.IsZero() {
		until := q.Set.Blocked.UTC().Truncate(time.Millisecond)
		v.BlockedUntil = &until
	}
	if q.Set.Following || q.Set.Fraction > 0 && q.Set.Fraction < 1 {
		v.Shared = &console.QuotaSharing{Following: q.Set.Following, Fraction: rounded(q.Set.Fraction)}
	}
	return v
}

func leftOf(b *limit.BudgetState) int64 { return max(b.Burst-b.Used, 0) }

// quotaStats puts the same into the words of the metrics. A quota that was found out is of one model, whose name a client may have made
// up: then it is left out.
func (a *App) quotaStats(emit func(obs.Quota)) {
	snapshot := a.gateway.Snapshot()
	state := a.fleet.Snapshot()
	for i := range state.Quotas {
		q := &state.Quotas[i]
		if q.Quota == "" && q.Limit == 0 || q.Learned && !configured(snapshot, q.Provider+"/"+q.Quota) {
			continue
		}
		name := q.Quota
		if name == "" {
			name = "account"
		}
		s := obs.Quota{
			Provider: q.Provider, Name: name, InFlight: q.InUse, Most: q.Limit, Mode: q.Set.Shape.Mode.String(), Learned: q.ShapeLearned,
			Blocked: !q.Set.Blocked.IsZero(),
		}
		for j := range q.Set.Budgets {
			b := &q.Set.Budgets[j]
			s.Budgets = append(s.Budgets, obs.QuotaBudget{
				Dimension: b.Dim.String(), Per: limit.Period(b.Per), Limit: b.Amount, Used: b.Used, Left: leftOf(b),
			})
		}
		emit(s)
	}
}

// adaptiveLimits tells the metrics of the limits on calls at once that were found out.
func (a *App) adaptiveLimits(emit func(target string, limit int)) {
	snapshot := a.gateway.Snapshot()
	state := a.fleet.Snapshot()
	for i := range state.Targets {
		if t := &state.Targets[i]; t.Adaptive > 0 && configured(snapshot, t.Target) {
			emit(t.Target, t.Adaptive)
		}
	}
}
