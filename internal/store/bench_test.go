package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sluice/internal/ledger"
	"sluice/internal/testenv"
)

// BenchmarkWriteCalls writes groups of rows with ids that grow with time, and with random ones. rows/s is wall time with
// the disk in it; cpu-us/row is the CPU of this process, so for PostgreSQL the client's share only.
func BenchmarkWriteCalls(b *testing.B) {
	for _, db := range []string{"sqlite", "postgres"} {
		for _, group := range []int{1, 50, 512} {
			b.Run(fmt.Sprintf("%s/group=%d", db, group), func(b *testing.B) { benchmarkWrite(b, db, group, false) })
		}
		b.Run(db+"/group=512/random-ids", func(b *testing.B) { benchmarkWrite(b, db, 512, true) })
	}
}

func benchmarkWrite(b *testing.B, db string, group int, random bool) {
	dsn, dir := "", b.TempDir()
	if db == "postgres" {
		dsn = testenv.Database(b)
	}
	s, err := Open(b.Context(), dsn, dir)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	rows := make([]ledger.Row, group)
	for i := range rows {
		rows[i] = call(i)
	}
	n := 0
	before := cpuTime(b)
	for b.Loop() {
		for i := range rows {
			n++
			rows[i].Time = start.Add(time.Duration(n) * time.Microsecond)
			rows[i].ID = fmt.Sprintf("req_%022d", n)
			if random {
				rows[i].ID = fmt.Sprintf("req_%016x%06x", rand.Uint64(), n&0xffffff)
			}
		}
		if err := s.WriteCalls(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(cpuTime(b)-before)/float64(time.Microsecond)/float64(n), "cpu-us/row")
}
