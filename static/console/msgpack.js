// MessagePack, as much of it as values of services need. Binary data is Uint8Array both ways.

class Short extends Error {}

const LARGE = 2 ** 32;

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(length) {
    const start = this.at;
    if (start + length > this.bytes.length) throw new Short("the data is cut off");
    this.at += length;
    return start;
  }

  number(kind, length) {
    return this.view[`get${kind}`](this.take(length));
  }

  long(kind) {
    const big = this.number(kind, 8);
    return Number.isSafeInteger(Number(big)) ? Number(big) : big;
  }

  raw(length) {
    const start = this.take(length);
    return this.bytes.slice(start, start + length);
  }

  text(length) {
    const start = this.take(length);
    return new TextDecoder().decode(this.bytes.subarray(start, start + length));
  }

  list(length) {
    return Array.from({ length }, () => this.value());
  }

  map(length) {
    const found = {};
    for (let index = 0; index < length; index += 1) {
      const key = String(this.value());
      Object.defineProperty(found, key, {
        value: this.value(),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return found;
  }

  extension(length) {
    const kind = this.number("Int8", 1);
    return kind === -1 ? this.timestamp(length) : { type: kind, data: this.raw(length) };
  }

  timestamp(length) {
    if (length === 4) return new Date(this.number("Uint32", 4) * 1000);
    if (length === 8) {
      const both = this.number("BigUint64", 8);
      return new Date(Number(both & 0x3ffffffffn) * 1000 + Number(both >> 34n) / 1e6);
    }
    const nanoseconds = this.number("Uint32", 4);
    return new Date(Number(this.number("BigInt64", 8)) * 1000 + nanoseconds / 1e6);
  }

  value() {
    const mark = this.number("Uint8", 1);
    if (mark < 0x80) return mark;
    if (mark < 0x90) return this.map(mark & 15);
    if (mark < 0xa0) return this.list(mark & 15);
    if (mark < 0xc0) return this.text(mark & 31);
    if (mark >= 0xe0) return mark - 256;
    switch (mark) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.raw(this.number("Uint8", 1));
      case 0xc5:
        return this.raw(this.number("Uint16", 2));
      case 0xc6:
        return this.raw(this.number("Uint32", 4));
      case 0xc7:
        return this.extension(this.number("Uint8", 1));
      case 0xc8:
        return this.extension(this.number("Uint16", 2));
      case 0xc9:
        return this.extension(this.number("Uint32", 4));
      case 0xca:
        return this.number("Float32", 4);
      case 0xcb:
        return this.number("Float64", 8);
      case 0xcc:
        return this.number("Uint8", 1);
      case 0xcd:
        return this.number("Uint16", 2);
      case 0xce:
        return this.number("Uint32", 4);
      case 0xcf:
        return this.long("BigUint64");
      case 0xd0:
        return this.number("Int8", 1);
      case 0xd1:
        return this.number("Int16", 2);
      case 0xd2:
        return this.number("Int32", 4);
      case 0xd3:
        return this.long("BigInt64");
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.extension(2 ** (mark - 0xd4));
      case 0xd9:
        return this.text(this.number("Uint8", 1));
      case 0xda:
        return this.text(this.number("Uint16", 2));
      case 0xdb:
        return this.text(this.number("Uint32", 4));
      case 0xdc:
        return this.list(this.number("Uint16", 2));
      case 0xdd:
        return this.list(this.number("Uint32", 4));
      case 0xde:
        return this.map(this.number("Uint16", 2));
      case 0xdf:
        return this.map(this.number("Uint32", 4));
      default:
        throw new Error("this is no MessagePack");
    }
  }
}

export const decode = (bytes) => new Reader(bytes).value();

// The values of a body, each as soon as it is complete. Leaving the loop ends the request.
export async function* decodeStream(body) {
  const reader = body.getReader();
  let rest = new Uint8Array();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const bytes = new Uint8Array(rest.length + value.length);
      bytes.set(rest);
      bytes.set(value, rest.length);
      rest = bytes;
      for (;;) {
        const next = new Reader(rest);
        let item;
        try {
          item = next.value();
        } catch (error) {
          if (error instanceof Short) break;
          throw error;
        }
        rest = rest.subarray(next.at);
        yield item;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

export function encode(value) {
  const parts = [];
  write(value, parts);
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function write(value, parts) {
  if (value === null || value === undefined) parts.push([0xc0]);
  else if (typeof value === "boolean") parts.push([value ? 0xc3 : 0xc2]);
  else if (typeof value === "number") writeNumber(value, parts);
  else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    parts.push(sized(0xdb, bytes.length), bytes);
  } else if (value instanceof Uint8Array) parts.push(sized(0xc6, value.length), value);
  else if (Array.isArray(value)) {
    parts.push(sized(0xdd, value.length));
    value.forEach((item) => write(item, parts));
  } else {
    const entries = Object.entries(value);
    parts.push(sized(0xdf, entries.length));
    for (const [key, item] of entries) {
      write(key, parts);
      write(item, parts);
    }
  }
}

function sized(mark, length) {
  if (length >= LARGE) throw new Error("too large to be sent");
  return [mark, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255];
}

function writeNumber(value, parts) {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  bytes[0] = Number.isSafeInteger(value) && !Object.is(value, -0) ? 0xd3 : 0xcb;
  if (bytes[0] === 0xd3) view.setBigInt64(1, BigInt(value));
  else view.setFloat64(1, value);
  parts.push(bytes);
}
