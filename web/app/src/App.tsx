import { useEffect, useState } from "react";
import { Api, type Meta } from "@weir/client";

const api = new Api();

export function App() {
  const [meta, setMeta] = useState<Meta>();
  useEffect(() => void api.meta().then(setMeta), []);
  return <main>Weir {meta?.version}</main>;
}
