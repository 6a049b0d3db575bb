package openai_test

import (
	"fmt"
	"io"
	"strings"

	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// A provider's stream is forwarded event by event, while Sluice learns from it whether it is complete and what it used.
// The usage chunk, which the client did not ask for, is taken out.
func Example() {
	provider := strings.NewReader(`: keep-alive

data: {"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}

data: {"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"model":"gpt-4o-2024-08-06","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}

data: [DONE]

`)
	var r wire.Reader
	r.Reset(1 << 20)
	var s openai.Stream
	s.Reset(wire.FollowOptions{StripUsage: true, Model: "smart"})

	var client strings.Builder
	for more := true; more; {
		_, readErr := r.Fill(provider)
		more = readErr != io.EOF
		for {
			ev, ok, err := r.Next()
			if err != nil {
				fmt.Println(err)
				return
			}
			if !ok {
				if more {
					break
				}
				if ev, ok = r.Last(); !ok {
					break
				}
			}
			if s.Observe(&ev) == wire.Forward {
				client.Write(ev.Raw)
			}
		}
	}
	fmt.Print(client.String())
	fmt.Println("complete:", s.Finished(), "input:", s.Usage.Input, "output:", s.Usage.Output)

	// Output:
	// : keep-alive
	//
	// data: {"model":"smart","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}
	//
	// data: {"model":"smart","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
	//
	// data: [DONE]
	//
	// complete: true input: 9 output: 1
}
