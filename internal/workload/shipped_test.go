package workload

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var traceDir = flag.String("traces", "", "directory of the original traces, to write the shipped ones from")

// shippedFacts are the traces that ship, with the facts of their README.
func shippedFacts() []struct {
	name, original string
	rows           int
	limit          int64 // bytes
} {
	return []struct {
		name, original string
		rows           int
		limit          int64
	}{
		{"azure-code", "azure_llm_code_2023.csv", 8819, 150_000},
		{"azure-conv", "azure_llm_conv_2023_first_half.csv", 9683, 150_000},
		{"mooncake-conversation", "mooncake_conversation.jsonl", 12031, 400_000},
	}
}

// encodePlain writes a trace in the plain form.
func encodePlain(t *trace) []byte {
	var b bytes.Buffer
	b.WriteString("offset_ms,input_tokens,output_tokens")
	if t.block > 0 {
		b.WriteString(",blocks")
	}
	b.WriteByte('\n')
	for i, r := range t.rows {
		fmt.Fprintf(&b, "%d,%d,%d", r.at.Round(time.Millisecond)/time.Millisecond, r.in, r.out)
		if t.block > 0 {
			b.WriteString("," + encodeRuns(t.blocks(int32(i))))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func encodeRuns(ids []int32) string {
	var parts []string
	for i := 0; i < len(ids); {
		j := i + 1
		for j < len(ids) && ids[j] == ids[j-1]+1 {
			j++
		}
		part := strconv.Itoa(int(ids[i]))
		if j > i+1 {
			part += "-" + strconv.Itoa(int(ids[j-1]))
		}
		parts, i = append(parts, part), j
	}
	return strings.Join(parts, " ")
}

func TestShippedTraces(t *testing.T) {
	t.Parallel()
	for _, f := range shippedFacts() {
		path := "profiles/" + f.name + ".csv.gz"
		if *traceDir != "" {
			writeTrace(t, filepath.Join(*traceDir, f.original), path)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := shippedTrace(f.name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(tr.rows) != f.rows || info.Size() > f.limit {
			t.Errorf("%s has %d rows in %d bytes, want %d rows in at most %d", f.name, len(tr.rows), info.Size(), f.rows, f.limit)
		}
		again, err := readTrace(bytes.NewReader(encodePlain(tr)), "", 0, 0)
		if err != nil || again.digest() != tr.digest() {
			t.Errorf("%s is not what its own form reads as (error %v)", f.name, err)
		}
	}
}

func writeTrace(t *testing.T, original, path string) {
	t.Helper()
	src, err := os.Open(original)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tr, err := readTrace(src, "", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(encodePlain(tr)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
