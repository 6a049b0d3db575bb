package openai

import (
	"fmt"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// listed is one element of the data of an embeddings answer.
type listed struct {
	at     wire.Span // of the element
	index  wire.Span // of the index's value; empty if there is none
	vector wire.Span // of the embedding's value
	n      int
}

// readList returns the elements of data at a place of a body that has been validated, each at its index.
func readList(body []byte, at wire.Span) ([]listed, error) {
	items, ok := wire.Elements(body, at)
	if !ok {
		return nil, fmt.Errorf("data is no array")
	}
	list := make([]listed, len(items))
	for i, item := range items {
		l := listed{at: item, n: i}
		_, _ = wire.Walk(item.Of(body), func(name string, at wire.Span) bool {
			at = wire.Span{Start: item.Start + at.Start, End: item.Start + at.End}
			switch name {
			case "index":
				l.index = at
			case "embedding":
				l.vector = at
			}
			return true
		})
		if l.index.Len() > 0 && isNumber(l.index.Of(body)) {
			n, _ := wire.Int(l.index.Of(body))
			l.n = int(min(max(n, -1), int64(len(items))))
		}
		if l.vector.Len() == 0 || l.n < 0 || l.n >= len(items) || list[l.n].vector.Len() > 0 {
			return nil, fmt.Errorf("data[%d] is no embedding with an index of its own", i)
		}
		list[l.n] = l
	}
	return list, nil
}

func readVectors(body []byte, at wire.Span) ([][]float32, error) {
	list, err := readList(body, at)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(list))
	for i := range list {
		if vectors[i], err = wire.ReadVector(list[i].vector.Of(body)); err != nil {
			return nil, fmt.Errorf("data[%d]: %w", i, err)
		}
	}
	return vectors, nil
}

// SplitEmbed returns the places of a request's inputs, in order; ok is false if it has one input that is no list, which cannot
// be split. body has been parsed.
func SplitEmbed(body []byte) (list wire.Span, inputs []wire.Span, ok bool) {
	_, _ = wire.Walk(body, func(name string, at wire.Span) bool {
		if name == "input" {
			list = at
			return false
		}
		return true
	})
	inputs, ok = wire.Elements(body, list)
	if !ok || len(inputs) == 0 || isNumber(inputs[0].Of(body)) {
		return list, nil, false
	}
	return list, inputs, true
}

// JoinEmbedded appends one answer made of the answers to the parts of a split request, in order. It is the first part's, with the
// embeddings of all in its data, in order and with an index for each, and with the sum of what was used. Nothing else changes:
// vectors stay as the provider wrote them. The error is of KindBadAnswer.
func JoinEmbedded(dst []byte, parts [][]byte) ([]byte, *llm.Error) {
	var joined []byte
	var first wire.Span
	var usage llm.Usage
	has := false
	n := 0
	for i, body := range parts {
		got, fault := ScanAnswer(llm.OpEmbedding, body)
		if fault != nil {
			return nil, fault
		}
		usage.Input, usage.CachedInput, has = usage.Input+got.Usage.Input, usage.CachedInput+got.Usage.CachedInput, has || got.HasUsage
		var data wire.Span
		_, _ = wire.Walk(body, func(name string, at wire.Span) bool {
			if name == "data" {
				data = at
			}
			return true
		})
		list, err := readList(body, data)
		if err != nil {
			return nil, &llm.Error{Kind: llm.KindBadAnswer, Message: "the provider's answer to a part cannot be read: " + err.Error(), Sent: llm.WasSent}
		}
		if i == 0 {
			first = data
		}
		for j := range list {
			if n > 0 {
				joined = append(joined, ',')
			}
			joined = appendListed(joined, body, &list[j], n)
			n++
		}
	}
	body := parts[0]
	return appendJoined(dst, body, first, joined, usage, has), nil
}

// appendListed appends an element of data with another index.
func appendListed(dst, body []byte, l *listed, index int) []byte {
	if l.index.Len() == 0 {
		dst = append(dst, `{"index":`...)
		dst = strconv.AppendInt(dst, int64(index), 10)
		return append(append(dst, ','), body[l.at.Start+1:l.at.End]...)
	}
	dst = append(dst, body[l.at.Start:l.index.Start]...)
	dst = strconv.AppendInt(dst, int64(index), 10)
	return append(dst, body[l.index.End:l.at.End]...)
}

// appendJoined appends body with other data and usage.
func appendJoined(dst, body []byte, data wire.Span, joined []byte, u llm.Usage, has bool) []byte {
	dst = append(dst, '{')
	first := true
	_, _ = wire.Walk(body, func(name string, at wire.Span) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(wire.AppendString(dst, name), ':')
		switch {
		case at == data:
			dst = append(append(append(dst, '['), joined...), ']')
		case name == "usage" && has:
			dst = append(dst, `{"prompt_tokens":`...)
			dst = strconv.AppendInt(dst, u.Input, 10)
			dst = append(dst, `,"total_tokens":`...)
			dst = append(strconv.AppendInt(dst, u.Total(), 10), '}')
		default:
			dst = append(dst, at.Of(body)...)
		}
		return true
	})
	return append(dst, '}')
}
