#!/usr/bin/env node
import { built } from "./built.js";

await import(new URL("program.js", built()));
