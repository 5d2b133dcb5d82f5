"""The type of every document that --json prints, by the name of its schema; `docs/json.md` is made from them."""

from twigma.builder.status.facts import Facts
from twigma.cli.facts import analysing, building, releasing, sourcing

SCHEMAS: dict[str, type] = {
    "init": releasing.InitFacts,
    "hashtags": sourcing.HashtagsFacts,
    "collect": sourcing.CollectFacts,
    "ids": sourcing.IdsFacts,
    "import": sourcing.ImportFacts,
    "rehydrate": sourcing.RehydrateFacts,
    "add": sourcing.AddFacts,
    "stage": building.StageFacts,
    "texts": building.TextsFacts,
    "dedupe": building.DedupeFacts,
    "choose-k": building.ChooseKFacts,
    "cluster": building.ClusterFacts,
    "assign": building.AssignFacts,
    "build": building.BuildFacts,
    "free": building.FreeFacts,
    "release": releasing.ReleaseFacts,
    "publish-hub": releasing.HubFacts,
    "publish-zenodo": releasing.ZenodoFacts,
    "liked": releasing.LikedFacts,
    "sheets": analysing.SheetsFacts,
    "reference-list": releasing.ReferenceListFacts,
    "reference-add": releasing.ReferenceAddFacts,
    "analyze": analysing.AnalyzeFacts,
    "report": analysing.ReportFacts,
    "explore": analysing.ExploreFacts,
    "search": analysing.SearchFacts,
    "removals": releasing.RemovalsFacts,
    "status": Facts,
    "columns": analysing.ColumnsFacts,
}
