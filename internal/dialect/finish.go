package dialect

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// FinishOf returns why the first choice of a stream has ended, as one of its events says; FinishUnset if that event does not. name is
// nil where the framing has none.
func FinishOf(d llm.Dialect, name, data []byte) llm.Finish {
	reader := Of(d).NewReader()
	events, e := reader.Read(nil, name, data)
	if e != nil {
		return llm.FinishUnset
	}
	finish := finishIn(events)
	if finish == llm.FinishUnset {
		events, _ = reader.End(nil) // what it held back counts, though the stream it saw is none
		finish = finishIn(events)
	}
	return finish
}

func finishIn(events []llm.Event) llm.Finish {
	for i := range events {
		if events[i].Kind == llm.EventFinish && events[i].Choice == 0 {
			return events[i].Finish
		}
	}
	return llm.FinishUnset
}

// Final returns the whole answer as the end of a stream repeats it, which is a copy; nil in dialects that do not, and if end has none.
func Final(d llm.Dialect, end []byte) []byte {
	if d != llm.Responses {
		return nil
	}
	var sse wire.Reader
	sse.Reset(len(end) + 1)
	for src := bytes.NewReader(end); ; {
		_, err := sse.Fill(src)
		for {
			ev, ok, bad := sse.Next()
			if !ok || bad != nil {
				break
			}
			if answer, found := member(ev.Data, "response"); found {
				return bytes.Clone(answer)
			}
		}
		if err != nil {
			return nil
		}
	}
}
