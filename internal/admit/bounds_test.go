package admit

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

// crowd is a scene in which one call runs and others wait.
func crowd(t *testing.T, c Config, f func(s *scene, wait func(name, key string, class llm.Class, bytes int))) {
	t.Helper()
	play(t, c, map[string]int{"p": 1}, func(s *scene) {
		s.acquire(bg(), "run", call(0), one("p/m"))
		f(s, func(name, key string, class llm.Class, bytes int) {
			x := call(class)
			x.Key = key
			a := one("p/m")
			a.Bytes = bytes
			s.acquire(bg(), name, x, a)
		})
		for {
			synctest.Wait()
			s.mu.Lock()
			var name string
			for n := range s.held {
				name = n
			}
			s.mu.Unlock()
			if name == "" {
				return
			}
			s.release(name)
		}
	})
}

func TestLowestClassGivesWay(t *testing.T) {
	t.Parallel()
	crowd(t, Config{MaxQueue: 4, MaxWait: time.Minute}, func(s *scene, wait func(string, string, llm.Class, int)) {
		wait("chat 1", "a", llm.Interactive, 0)
		wait("bulk 1", "a", llm.Bulk, 0)
		wait("back 1", "b", llm.Background, 0)
		wait("bulk 2", "a", llm.Bulk, 0)
		wait("bulk 3", "c", llm.Bulk, 0) // the other key has more, but not far more
		s.wantErr("bulk 3", llm.KindQueueFull, "4 calls are waiting, queue.max_calls is 4", time.Minute)
		wait("chat 2", "b", llm.Interactive, 0)
		s.wantErr("bulk 2", llm.KindQueueFull, "gave way in a full queue: queue.max_calls is 4", time.Minute)
		wait("chat 3", "a", llm.Interactive, 0)
		if s.refusal("bulk 1") == nil || s.refusal("back 1") != nil {
			s.Errorf("want both bulk calls to give way before the background call: %v", s.errs)
		}
		wait("back 2", "a", llm.Background, 0)
		wait("bulk 4", "d", llm.Bulk, 0)
		s.wantErr("bulk 4", llm.KindQueueFull, "4 calls are waiting, queue.max_calls is 4", time.Minute)
		v := s.q.Look(10)
		if v.Calls != 4 || v.Refused[int(llm.Bulk)*reasons+int(gaveWay)].Calls != 2 {
			s.Errorf("view %+v", v)
		}
	})
}

func TestNoKeyFillsTheQueue(t *testing.T) {
	t.Parallel()
	crowd(t, Config{MaxQueue: 10, MaxWait: time.Minute}, func(s *scene, wait func(string, string, llm.Class, int)) {
		for i := range 12 {
			wait(fmt.Sprint("hog ", i), "hog", 0, 0)
		}
		for i := range 8 {
			wait(fmt.Sprint("other ", i), "other", 0, 0)
		}
		v := s.q.Look(10)
		got := map[string]int{}
		for _, k := range v.Keys {
			got[k.Key] = k.Waiting
		}
		if got["hog"] != 7 || got["other"] != 3 {
			s.Errorf("waiting by key: %v, want no more than about twice as many for the key that came first", got)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range 12 {
			if e := s.errs[fmt.Sprint("hog ", i)]; (e != nil) != (i >= 7) {
				s.Errorf("hog %d: %v, want the youngest to give way", i, e)
			}
		}
	})
	crowd(t, Config{MaxQueue: 10, MaxPerKey: 2, MaxWait: time.Minute}, func(s *scene, wait func(string, string, llm.Class, int)) {
		wait("1", "a", 0, 0)
		wait("2", "a", 0, 0)
		wait("3", "a", 0, 0)
		s.wantErr("3", llm.KindQueueFull, "2 interactive calls of this key are waiting, queue.max_calls_per_key is 2", time.Minute)
		wait("4", "b", 0, 0)
		wait("5", "a", llm.Bulk, 0)
	})
}

func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	crowd(t, Config{MaxQueue: 100, MaxBytes: 1000, MaxWait: time.Minute}, func(s *scene, wait func(string, string, llm.Class, int)) {
		wait("huge", "a", 0, 1001)
		s.wantErr("huge", llm.KindQueueFull, "the request takes 1001 bytes, queue.max_bytes is 1000", 0)
		wait("1", "a", llm.Bulk, 400)
		wait("2", "a", llm.Bulk, 300)
		wait("3", "b", llm.Bulk, 200)
		wait("4", "a", llm.Bulk, 101)
		s.wantErr("4", llm.KindQueueFull, "the requests of waiting calls take 900 bytes, queue.max_bytes is 1000", time.Minute)
		wait("5", "c", llm.Interactive, 390)
		s.wantErr("2", llm.KindQueueFull, "gave way in a full queue: queue.max_bytes is 1000", time.Minute)
		if v := s.q.Look(1); v.Bytes != 990 || v.Calls != 3 {
			s.Errorf("%d bytes of %d calls", v.Bytes, v.Calls)
		}
	})
}

func TestLook(t *testing.T) {
	t.Parallel()
	crowd(t, Config{MaxQueue: 100, MaxWait: time.Hour}, func(s *scene, wait func(string, string, llm.Class, int)) {
		for i := range 30 {
			wait(fmt.Sprint(i), fmt.Sprint("key ", i%7), llm.Class(i%2), i)
			s.sleep(time.Second)
		}
		v := s.q.Look(5)
		if v.Calls != 30 || v.Classes[0].Waiting != 15 || v.Classes[0].Oldest != 30*time.Second || v.Classes[1].Oldest != 29*time.Second {
			s.Errorf("%+v", v)
		}
		if len(v.Keys) != 5 || !slices.IsSortedFunc(v.Keys, func(a, b KeyView) int { return b.Waiting - a.Waiting }) || v.Keys[0].Waiting != 3 {
			s.Errorf("keys: %+v", v.Keys)
		}
		if len(v.Targets) != 1 || v.Targets[0].Target != "p/m" || v.Targets[0].Waiting != [classes]int{15, 15, 0} || v.Targets[0].PerSecond != 0 {
			s.Errorf("targets: %+v", v.Targets)
		}
		for range 10 { // a call in two seconds
			s.sleep(2 * time.Second)
			s.mu.Lock()
			names := []string{}
			for n := range s.held {
				names = append(names, n)
			}
			s.mu.Unlock()
			s.release(names[0])
		}
		v = s.q.Look(5)
		if r := v.Targets[0].PerSecond; r < 0.15 || r > 0.6 {
			s.Errorf("%v tokens a second, want about 0.2 over all the time in which there was somebody waiting", r)
		}
		if e := v.Targets[0].Expected; e[0] == 0 || e[1] <= e[0] || v.Started[0] == 0 {
			s.Errorf("expected %v, started %v", e, v.Started)
		}
	})
}
