/// DeepLesion's Train_Val_Test; raw values are the header's ULDOR_SPLIT_*.
public enum Split: Int32, BitwiseCopyable, Sendable {
    case train = 1, validation = 2, test = 3
}

/// Where examples come from: a dataset seen through a model's input (``DatasetExamples``), or a test's own.
protocol ExampleSource: AnyObject, Sendable {
    var count: Int { get }
    func split(of index: Int) -> Split
    /// What messages call an image: "000001_03_01/088".
    func name(of index: Int) -> String
    /// What one thread makes examples with: it holds scratch memory and is one thread's at a time.
    func makeWorker() throws(ULDorError) -> any ExampleWorker
}

protocol ExampleWorker: AnyObject {
    /// The example of an image as an epoch sees it; `augmentation` nil: as it is. The same bits on any thread. Errors name
    /// the file, and leave the worker usable.
    func example(_ index: Int, augmentation: Augmentation?, seed: UInt64, epoch: Int) throws(ULDorError) -> Example
}

/// How a dataset's images become the network's input, and which masks its lesions get.
struct ExampleSettings {
    var config: InputConfig
    /// False: pixels are taken as they are; needs no spacing.
    var resamples = true
    /// False: the whole slice.
    var crops: Bool
    /// Hard negatives that are learnt from, too.
    var mined: MinedSet?

    init(_ config: InputConfig) {
        self.config = config
        crops = config.bodyCrop
    }
}

/// A dataset through a model's input.
final class DatasetExamples: ExampleSource {
    let dataset: Dataset
    let settings: ExampleSettings

    init(_ dataset: Dataset, _ settings: ExampleSettings) {
        self.dataset = dataset
        self.settings = settings
    }

    /// The same with hard negatives.
    func adding(_ mined: MinedSet) -> DatasetExamples {
        var settings = settings
        settings.mined = mined
        return DatasetExamples(dataset, settings)
    }

    var count: Int { dataset.count }
    func split(of index: Int) -> Split { dataset.image(index).split }
    func name(of index: Int) -> String { dataset.name(of: index) }

    func makeWorker() throws(ULDorError) -> any ExampleWorker { try ExampleMaker(dataset, settings) }
}
