package obs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/internal/llm"
)

// QueueStats is what the metrics show of the queue, beside its depth.
type QueueStats struct {
	Bytes   int64                     // of the requests that wait
	Oldest  [numClasses]time.Duration // how long the call of each class that came first has waited
	Refused []QueueRefused
}

// QueueRefused counts calls of a class that got no place for one reason. Reason is a word of a closed vocabulary.
type QueueRefused struct {
	Class  llm.Class
	Reason string
	Calls  int64
}

// Quota is what the metrics show of one quota. All words come from the configuration or from closed vocabularies.
type Quota struct {
	Provider string
	Name     string // the patterns of its models
	InFlight int
	Most     int // calls at a time; 0 if there is no limit
	Mode     string
	Learned  bool // Mode has been found out, not configured
	Blocked  bool
	Budgets  []QuotaBudget
}

// QuotaBudget is one limit of a quota.
type QuotaBudget struct {
	Dimension, Per string
	Limit          int64
	Used           int64 // of what may be used at this moment
	Left           int64
}

// schedulerCollector turns what Sources say of the queue and of quotas at the time of a scrape into metrics.
type schedulerCollector struct{ m *Metrics }

func (schedulerCollector) bytes() *prometheus.Desc {
	return desc("sluice_queue_bytes", "Bytes of the requests that wait for capacity.")
}

func (schedulerCollector) oldest() *prometheus.Desc {
	return desc("sluice_queue_oldest_seconds", "How long the call that came first has waited, by class; 0 if none waits.", "class")
}

func (schedulerCollector) refused() *prometheus.Desc {
	return desc("sluice_queue_refused_total", "Calls that got no place, by class and reason.", "class", "reason")
}

func (schedulerCollector) limit() *prometheus.Desc {
	return desc("sluice_quota_limit", "Limit of a quota, for the time in per.", "gen_ai_provider_name", "quota", "dimension", "per")
}

func (schedulerCollector) used() *prometheus.Desc {
	return desc("sluice_quota_used", "What is used of a quota, or reserved by calls under way.", "gen_ai_provider_name", "quota", "dimension", "per")
}

func (schedulerCollector) left() *prometheus.Desc {
	return desc("sluice_quota_left", "What may be used of a quota at once: at most its burst.", "gen_ai_provider_name", "quota", "dimension", "per")
}

func (schedulerCollector) blocked() *prometheus.Desc {
	return desc("sluice_quota_blocked", "1 while a quota waits for its reset after a refusal.", "gen_ai_provider_name", "quota")
}

func (schedulerCollector) inFlight() *prometheus.Desc {
	return desc("sluice_quota_in_flight", "Calls under way that count in a quota.", "gen_ai_provider_name", "quota")
}

func (schedulerCollector) most() *prometheus.Desc {
	return desc("sluice_quota_concurrency", "Most calls at once of a quota; absent if there is no limit.", "gen_ai_provider_name", "quota")
}

func (schedulerCollector) mode() *prometheus.Desc {
	return desc("sluice_quota_mode", "Always 1; the labels say how the provider enforces a quota (unknown, seconds, bucket, fixed, sliding), and whether that was configured or learned.",
		"gen_ai_provider_name", "quota", "mode", "origin")
}

func (schedulerCollector) adaptive() *prometheus.Desc {
	return desc("sluice_adaptive_limit", "Most calls at once of a target that have been found out (concurrency: adaptive).", "target")
}

// Describe implements prometheus.Collector.
func (s schedulerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.bytes(), s.oldest(), s.refused(), s.limit(), s.used(), s.left(), s.blocked(), s.inFlight(), s.most(), s.mode(), s.adaptive(),
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s schedulerCollector) Collect(ch chan<- prometheus.Metric) {
	src := s.m.sources.Load()
	if src == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	if src.Queue != nil {
		q := src.Queue()
		gauge(s.bytes(), float64(q.Bytes))
		for c, d := range q.Oldest {
			gauge(s.oldest(), d.Seconds(), llm.Class(c).String())
		}
		for _, r := range q.Refused {
			ch <- prometheus.MustNewConstMetric(s.refused(), prometheus.CounterValue, float64(r.Calls), r.Class.String(), r.Reason)
		}
	}
	if src.Quotas != nil {
		s.collectQuotas(src, gauge)
	}
	if src.Adaptive != nil {
		seen := make(map[string]bool)
		src.Adaptive(func(target string, limit int) {
			if !seen[target] && len(seen) < s.m.maxSeries {
				seen[target] = true
				gauge(s.adaptive(), float64(limit), target)
			}
		})
	}
}

// collectQuotas keeps to the limit on series and gives each quota once: a name twice would fail the whole scrape.
func (s schedulerCollector) collectQuotas(src *Sources, gauge func(*prometheus.Desc, float64, ...string)) {
	seen := make(map[[2]string]bool)
	src.Quotas(func(q Quota) {
		id := [2]string{q.Provider, q.Name}
		if seen[id] || len(seen) >= s.m.maxSeries {
			return
		}
		seen[id] = true
		blocked, origin := 0.0, "configured"
		if q.Blocked {
			blocked = 1
		}
		if q.Learned {
			origin = "learned"
		}
		gauge(s.blocked(), blocked, id[:]...)
		gauge(s.inFlight(), float64(q.InFlight), id[:]...)
		if q.Most > 0 {
			gauge(s.most(), float64(q.Most), id[:]...)
		}
		gauge(s.mode(), 1, q.Provider, q.Name, q.Mode, origin)
		of := make(map[[2]string]bool)
		for _, b := range q.Budgets {
			if dim := [2]string{b.Dimension, b.Per}; !of[dim] {
				of[dim] = true
				gauge(s.limit(), float64(b.Limit), q.Provider, q.Name, b.Dimension, b.Per)
				gauge(s.used(), float64(b.Used), q.Provider, q.Name, b.Dimension, b.Per)
				gauge(s.left(), float64(b.Left), q.Provider, q.Name, b.Dimension, b.Per)
			}
		}
	})
}
