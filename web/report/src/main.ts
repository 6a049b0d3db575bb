// The script of the HTML report. The page is complete without it, but for the charts: every figure is in its tables.
import { readData } from "./data";
import { setUpHeatmap } from "./heat";
import { setUpCost, setUpCurve, setUpLoadCharts } from "./loadcharts";
import { setUpSorting } from "./sort";
import { setUpTheme } from "./theme";
import { setUpTimeCharts } from "./timecharts";

const data = readData();
setUpTheme();
setUpSorting();
setUpHeatmap();
setUpCost(data);
setUpCurve(data);
setUpLoadCharts(data);
setUpTimeCharts(data);
