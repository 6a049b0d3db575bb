package report

// ExportVLLM writes for each run a file as vLLM's serving benchmark leaves it into dir, and returns their paths. With
// detailed, arrays with a value for each request are in it.
func ExportVLLM(dir string, r *Results, detailed bool) ([]string, error) { return nil, nil }

// ExportAIPerf writes for each run a directory with the files that AIPerf leaves into dir, and returns their paths.
func ExportAIPerf(dir string, r *Results) ([]string, error) { return nil, nil }
